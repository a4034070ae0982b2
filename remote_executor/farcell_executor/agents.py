"""The links to the agents: what each offers, what it was told, what it says. Output goes straight into the run log.

A node has one connection. A newer one replaces it, and its `AgentHello` says everything again.
"""

import asyncio
import logging

import msgspec

from farcell_executor.driver import Driver
from farcell_executor.links import LAST_ORDERS_S, AgentLink, LinkLost, Links, Outgoing
from farcell_executor.model import Device, Node, NodeState
from farcell_executor.performing import fault
from farcell_executor.runlogs import RunLogs
from farcell_executor.scheduling import events
from farcell_executor.tokens import Tokens
from farcell_protocol.errors import (
    DiskFailed,
    ErrorInfo,
    Forbidden,
    RunFailure,
    StreamGap,
    Unavailable,
    VersionMismatch,
    error_from,
)
from farcell_protocol.frames import End, decode_frame
from farcell_protocol.ids import NodeId, RunId, TokenId
from farcell_protocol.messages import keeping, link
from farcell_protocol.version import agree

log = logging.getLogger(__name__)

_SIMULATE_S = 10.0


class Agents:
    """Serves every agent's link: translates what it says into events, and writes output down."""

    def __init__(self, links: Links, driver: Driver, logs: RunLogs, tokens: Tokens) -> None:
        self._links = links
        self._tokens = tokens
        self._driver = driver
        self._logs = logs
        self._asked_again: dict[RunId, int] = {}
        self._simulating: dict[NodeId, asyncio.Future[None]] = {}
        self.connected = asyncio.Event()
        """Set once any agent has said hello in this executor's life."""

    async def serve(self, agent: AgentLink, token: TokenId | None = None) -> None:
        """Serve one agent until its connection ends; `token` is what it came with, None for this process's own."""
        out = Outgoing(agent, self._unsent)
        sending = asyncio.create_task(out.run(), name="send to an agent")
        listening = asyncio.create_task(self._listen(out, token), name="listen to an agent")
        over = asyncio.create_task(out.over.wait(), name="close a link")
        try:
            await asyncio.wait({listening, over}, return_when=asyncio.FIRST_COMPLETED)
            if out.over.is_set():
                await agent.close()
        except asyncio.CancelledError:
            out.finish()
            await asyncio.wait({sending}, timeout=LAST_ORDERS_S)
            raise
        finally:
            for task in (over, listening, sending):
                task.cancel()
            await asyncio.wait({over, listening, sending})
        for task in (listening, sending):
            if not task.cancelled():
                task.result()  # a fault of ours is heard of

    async def _listen(self, out: Outgoing, token: TokenId | None) -> None:
        try:
            hello = await out.agent.receive()
            if not isinstance(hello, link.AgentHello) or not await self._welcome(out, hello, token):
                await out.agent.close()
                return
        except LinkLost:
            return
        node = hello.node
        try:
            while True:
                await self._take(out, node, token, await out.agent.receive())
        except LinkLost:
            pass
        finally:
            if self._links.remove(node, out):
                self._driver.post(events.NodeDisconnected(node))

    def _unsent(self, message: link.ToAgent, err: Exception) -> None:
        """Stop what cannot be sent for a reason, rather than have it wait for ever."""
        reason = fault(err)
        match message:
            case link.StartWorker(session=session):
                self._driver.post(events.SessionStopRequested(session, reason, 0.0))
            case keeping.Execute(run=run):
                self._driver.post(events.RunRefused(run, reason))

    async def simulate(self, gpus: str) -> NodeId:
        """Have the embedded node declare simulated devices, and wait until they are known.

        Raises:
            Unavailable: there is no embedded node, or it does not answer.
            BadSpec: the node cannot read `gpus`.
        """
        node = next((one for one in self._driver.machine.nodes.values() if one.embedded), None)
        if node is None or node.state is not NodeState.CONNECTED:
            raise Unavailable("this executor has no node of its own that could simulate devices")
        earlier = self._simulating.get(node.id)
        if earlier is not None:
            await asyncio.wait({earlier})
        answered = self._simulating[node.id] = asyncio.get_running_loop().create_future()
        try:
            self._links.send(node.id, link.SimulateDevices(gpus))
            async with asyncio.timeout(_SIMULATE_S):
                await answered
        except TimeoutError:
            raise Unavailable(f"{node.name} did not answer within {_SIMULATE_S:.0f} s") from None
        finally:
            answered.cancel()
            if self._simulating.get(node.id) is answered:
                del self._simulating[node.id]
        return node.id

    async def _welcome(self, out: Outgoing, hello: link.AgentHello, token: TokenId | None) -> bool:
        try:
            agree(hello.protocol, hello.oldest, who=f"the agent of {hello.name}")
            await self._check_who(hello, token)
        except (VersionMismatch, Forbidden) as err:
            log.warning("refused the agent of %s: %s", hello.name, err)
            await out.agent.send(link.AgentRefused(err.code, err.message))
            return False
        replaced = self._links.put(hello.node, out)
        if replaced is not None:
            replaced.over.set()
        self._asked_again.clear()
        self._driver.post(
            events.NodeConnected(_node(hello, self._driver.clock.now()), tuple(hello.workers), tuple(hello.runs))
        )
        self.connected.set()
        return True

    async def _check_who(self, hello: link.AgentHello, token: TokenId | None) -> None:
        """Let nobody speak for a node that is another's."""
        if token is None:
            return
        known = self._driver.machine.nodes.get(hello.node)
        if hello.embedded or (known is not None and known.embedded):
            raise Forbidden(
                f"node {hello.node} is this executor's own, which needs no agent that dials", node=hello.node
            )
        await self._tokens.bind(token, hello.node)

    async def _take(self, out: Outgoing, node: NodeId, token: TokenId | None, message: link.FromAgent) -> None:
        match message:
            case keeping.Frames():
                self._take_frames(out, node, message)
            case keeping.WorkerChanged(report):
                self._driver.post(events.WorkerChanged(report, node))
            case link.DevicesChanged(devices):
                await self._driver.feed(events.DevicesChanged(node, _devices(node, devices)))
                self._answer_simulate(node, None)
            case link.KeeperChanged(pid, started):
                self._driver.post(events.KeeperChanged(node, _keeper(pid, started)))
            case link.AgentHello() if message.node == node:
                await self._welcome(out, message, token)
            case keeping.KeeperRefused(error, worker, run):
                if run is not None:
                    self._driver.post(events.RunRefused(run, error))
                elif worker is None:
                    self._answer_simulate(node, error)
                log.warning("node %s refused (worker %s, run %s): %s", node, worker, run, error.message)

    def _answer_simulate(self, node: NodeId, error: ErrorInfo | None) -> None:
        answered = self._simulating.get(node)
        if answered is None or answered.done():
            return
        if error is None:
            answered.set_result(None)
        else:
            answered.set_exception(error_from(error))

    def _take_frames(self, out: Outgoing, node: NodeId, message: keeping.Frames) -> None:
        """Write, wake the followers, acknowledge; then let the machine know of an end."""
        run, upto = message.run, message.first + len(message.frames) - 1
        if not self._runs_on(node, run):
            self._acknowledge(out, run, upto)
            return
        end = _end_of(message) if message.end else None
        self._driver.checkpoint("before-log-append")
        is_written = False
        try:
            is_written = self._logs.append(run, message.first, message.frames, end=end is not None).ended or end is None
        except StreamGap:
            self._ask_again(out, run)
            return
        except DiskFailed as err:
            log.error("%s", err)
            self._driver.post(events.LogFailed(run, err.info()))
        self._driver.checkpoint("after-log-append")
        if message.end and is_written:
            self._ended(run, end)
        self._acknowledge(out, run, upto)

    def _ended(self, run: RunId, end: End | None) -> None:
        if end is None:
            unreadable = RunFailure(
                f"how run {run} ended cannot be read: its host may have a newer farcell than this executor; what it"
                f" printed is kept (`farcell logs {run}`)",
                run=run,
            ).info()
            end = self._logs.end_with(run, "lost", unreadable)
        self._driver.post(events.RunEnded(run, end.outcome, end.reason))

    def _acknowledge(self, out: Outgoing, run: RunId, upto: int) -> None:
        self._driver.checkpoint("before-ack")
        out.put(keeping.Ack(run, upto))
        self._driver.checkpoint("after-ack")

    def _ask_again(self, out: Outgoing, run: RunId) -> None:
        last = self._logs.log(run).last
        if self._asked_again.get(run) != last:
            self._asked_again[run] = last
            out.put(keeping.Resume(run, last))

    def _runs_on(self, node: NodeId, run: RunId) -> bool:
        """Whether that node may speak for that run; what nobody waits for is acknowledged and dropped."""
        found = self._driver.machine.run(run)
        if found is None or found.worker is None:
            return False
        # A worker that was gone before this executor began is not known any more; its last words still count.
        worker = self._driver.machine.workers.get(found.worker)
        return worker is None or worker.node == node


def _end_of(message: keeping.Frames) -> End | None:
    try:
        frame = decode_frame(message.frames[-1])
    except (msgspec.DecodeError, IndexError):
        return None
    return frame if isinstance(frame, End) else None


def _node(hello: link.AgentHello, now: float) -> Node:
    return Node(
        id=hello.node,
        boot_id=hello.boot_id,
        keeper=_keeper(hello.keeper_pid, hello.keeper_started),
        name=hello.name,
        embedded=hello.embedded,
        python=hello.python,
        state=NodeState.CONNECTED,
        last_seen=now,
        devices=_devices(hello.node, hello.devices),
        notes=tuple(hello.notes),
    )


def _devices(node: NodeId, reports: list[link.DeviceReport]) -> tuple[Device, ...]:
    return tuple(
        Device(report.device, node, report.model, report.index, report.memory_bytes, report.simulated, report.trouble)
        for report in reports
    )


def _keeper(pid: int, started: float) -> str:
    return f"{pid}@{started!r}"
