"""The agent: introduces itself on each link, obeys what comes down it, and reports what happens here."""

import asyncio
import logging
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from farcell_agent.backends.base import Backend
from farcell_agent.devices import Devices
from farcell_agent.link import Link, LinkClosed
from farcell_agent.workers import Workers, never_here, not_started
from farcell_protocol.errors import BadSpec, WorkerNotStarted
from farcell_protocol.ids import NodeId, WorkerId
from farcell_protocol.messages.keeping import (
    Forget,
    FromKeeper,
    KeeperRefused,
    ProcessSpec,
    Stop,
    Welcome,
    WorkerChanged,
)
from farcell_protocol.messages.link import (
    AgentHello,
    AgentRefused,
    DevicesChanged,
    FromAgent,
    KeeperChanged,
    SimulateDevices,
    StartWorker,
    ToAgent,
)
from farcell_protocol.version import OLDEST, PROTOCOL

LOOK_AGAIN_S = 30.0
"""How often a node with real GPUs asks NVML how they are."""


@dataclass(frozen=True)
class NodeIdentity:
    """Who this node is; never its address."""

    node: NodeId
    boot_id: str
    name: str
    embedded: bool


class Agent:
    """One node's agent. Serves one link after the other, each with a fresh connection to the keeper, so that
    what is not received by an executor stays in the keeper's spool."""

    def __init__(
        self, identity: NodeIdentity, backend: Backend, devices: Devices, workers: Workers, log: logging.Logger
    ) -> None:
        self._identity = identity
        self._backend = backend
        self._devices = devices
        self._workers = workers
        self._log = log
        self._keeper: tuple[int, float] | None = None
        self._refusal: AgentRefused | None = None

    async def serve(self, link: Link) -> AgentRefused | None:
        """Be this link's agent until it is closed; the executor's refusal, if that was why. Workers go on."""
        self._refusal = None
        try:
            await self._serve(link)
        except LinkClosed:
            pass
        finally:
            await self._backend.detach()
        return self._refusal

    async def _serve(self, link: Link) -> None:
        _, welcome = await asyncio.gather(self._devices.refresh(), self._backend.attach())
        self._adopt(welcome)
        await link.send(self._hello(welcome))
        # The group's own errors are faults of ours only: a group that ends by an error while it is
        # cancelled drops the cancellation (Python 3.11 and 3.12).
        async with asyncio.TaskGroup() as tasks:
            beside = [
                tasks.create_task(self._report(link, tasks), name="report to the executor"),
                tasks.create_task(self._look_after_devices(link), name="look after the devices"),
            ]
            for folder in self._workers.orphaned_scratch():
                tasks.create_task(_remove(folder))
            try:
                await self._obey(link, tasks)
            finally:
                for task in beside:
                    task.cancel()

    # ---- from the keeper to the executor

    async def _report(self, link: Link, tasks: asyncio.TaskGroup) -> None:
        """A slow executor makes `send` wait; then nothing more is taken from the keeper, which spools."""
        while True:
            message = await self._backend.receive()
            if not await _sent(link, self._noted(message, tasks)):
                return

    def _noted(self, message: FromKeeper, tasks: asyncio.TaskGroup) -> FromAgent:
        """Take note of what the keeper says; what the executor is told of it."""
        if isinstance(message, WorkerChanged):
            self._workers.note(message.report)
            if message.report.state == "exited":
                tasks.create_task(_remove(self._workers.scratch_of(message.report.worker)))
        elif isinstance(message, Welcome):
            is_another = (message.pid, message.started) != self._keeper
            self._adopt(message)
            # The same keeper after a cut: whatever was on its way is gone, as after a cut of the link.
            return KeeperChanged(message.pid, message.started) if is_another else self._hello(message)
        elif isinstance(message, KeeperRefused) and message.run is None and self._is_starting(message.worker):
            return self._refuse(message.worker, WorkerNotStarted(message.error.message, **message.error.fields))
        return message

    def _adopt(self, welcome: Welcome) -> None:
        self._keeper = (welcome.pid, welcome.started)
        self._workers.adopt(welcome.workers)

    def _hello(self, welcome: Welcome) -> AgentHello:
        return AgentHello(
            protocol=PROTOCOL,
            oldest=OLDEST,
            node=self._identity.node,
            boot_id=self._identity.boot_id,
            name=self._identity.name,
            embedded=self._identity.embedded,
            python=platform.python_version(),
            keeper_pid=welcome.pid,
            keeper_started=welcome.started,
            devices=self._devices.reports(self._workers.claims.devices),
            workers=welcome.workers,
            runs=welcome.runs,
            notes=self._devices.notes,
        )

    # ---- from the executor to the keeper

    async def _obey(self, link: Link, tasks: asyncio.TaskGroup) -> None:
        """Until the link is closed, and everything that had come before it was."""
        while True:
            try:
                message = await link.receive()
            except LinkClosed:
                return
            if isinstance(message, AgentRefused):
                self._refusal = message
                return
            answer = await self._done(message)
            if answer is not None:
                # Beside, since output may fill the link while an interrupt waits behind this very message.
                tasks.create_task(_sent(link, answer))

    async def _done(self, message: ToAgent) -> FromAgent | None:
        """Do what the executor asks; what it is told at once, if anything."""
        match message:
            case StartWorker():
                return await self._start(message)
            case SimulateDevices(gpus):
                return self._simulate(gpus)
            case Stop(worker) if not self._workers.knows(worker):
                return never_here(worker)
            case Forget(worker):
                self._workers.forget(worker)
                await self._backend.tell(message)
            case AgentRefused():
                raise AssertionError("handled by the caller")
            case _:
                await self._backend.tell(message)
        return None

    async def _start(self, order: StartWorker) -> FromAgent | None:
        try:
            admitted = self._workers.admit(order)
        except WorkerNotStarted as err:
            self._log.warning("worker %s not started: %s", order.worker, err)
            return not_started(order.worker, err)
        if isinstance(admitted, ProcessSpec):
            await self._backend.start(order.worker, admitted)
            return None
        return admitted

    def _simulate(self, gpus: str) -> FromAgent:
        try:
            self._devices.simulated.add(gpus)
        except BadSpec as err:
            return KeeperRefused(err.info())
        return self._devices_changed()

    # ---- devices

    async def _look_after_devices(self, link: Link) -> None:
        while self._devices.any_real:
            await asyncio.sleep(LOOK_AGAIN_S)
            before = self._devices_changed()
            await self._devices.refresh()
            if self._devices_changed() != before:
                await _sent(link, self._devices_changed())

    def _devices_changed(self) -> DevicesChanged:
        return DevicesChanged(self._devices.reports(self._workers.claims.devices))

    # ---- workers that did not come to be

    def _is_starting(self, worker: WorkerId | None) -> bool:
        return worker is not None and self._workers.is_starting(worker)

    def _refuse(self, worker: WorkerId | None, error: WorkerNotStarted) -> WorkerChanged:
        assert worker is not None
        self._workers.forget(worker)
        return not_started(worker, error)


async def _sent(link: Link, message: FromAgent) -> bool:
    """Send it if the link still stands. What was received before it fell is obeyed first; that ends the service."""
    try:
        await link.send(message)
    except LinkClosed:
        return False
    return True


async def _remove(folder: Path) -> None:
    """A worker's scratch directory, which may hold much."""
    if folder.exists():
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
