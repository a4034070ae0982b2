"""Nouns as their owners see them: what the API shows of runs, sessions, workers, nodes and devices."""

from collections.abc import Iterable
from typing import Any

from farcell_executor.model import Device, Node, NodeState, Run, RunState, Session, SessionState, Token, Worker
from farcell_executor.runlogs import RunLogs
from farcell_executor.scheduling.machine import Machine
from farcell_executor.store.base import Noun, Store
from farcell_executor.tokens import scope_of
from farcell_executor.variables import KnownVariables
from farcell_protocol.ids import DeviceId, NodeId, SessionId, WorkerId
from farcell_protocol.messages import api

_MOST_KEPT = 4096


class Views:
    """Makes views from the machine's living nouns; remembers workers and nodes so that ended runs can name them."""

    def __init__(self, machine: Machine, store: Store, logs: RunLogs) -> None:
        self._machine = machine
        self._store = store
        self._logs = logs
        self._variables = KnownVariables(machine, logs)
        self._workers: dict[WorkerId, Worker] = {}
        self._nodes: dict[NodeId, Node] = {}
        self._missed: dict[WorkerId, None] = {}  # asked for, and the store does not have them

    def note(self, nouns: Iterable[Noun]) -> None:
        """Remember workers and nodes, which the machine forgets when they are gone; and who told of variables."""
        nouns = list(nouns)
        self._variables.note(nouns)
        for noun in nouns:
            if isinstance(noun, Worker):
                self._workers.pop(noun.id, None)
                self._workers[noun.id] = noun
            elif isinstance(noun, Node):
                self._nodes[noun.id] = noun
        _keep_newest(self._workers)

    async def begin(self) -> None:
        """Learn from the store what was told in an earlier life."""
        if self._machine.sessions:  # nothing else holds variables: most starts read nothing
            self._variables.note(await self._store.runs())

    async def recall(self, nouns: Iterable[Run | Session]) -> None:
        """Have the workers of these runs and sessions remembered, with their nodes, before views of them are made."""
        missing = {one.worker for one in nouns if one.worker is not None and not self._is_known(one.worker)}
        if not missing:
            return
        found = await self._store.find_workers(missing)
        nodes = {one.node for one in found if one.node not in self._machine.nodes and one.node not in self._nodes}
        self.note(await self._store.find_nodes(nodes) if nodes else [])
        self.note(found)
        self._missed |= dict.fromkeys(missing - {one.id for one in found})
        _keep_newest(self._missed)

    def run(self, run: Run) -> api.RunView:
        """A run, whether it lives or has ended."""
        living = run.state is not RunState.ENDED
        worker = self._worker(run.worker) if run.worker else self._machine.worker_of(run.session) if living else None
        return api.RunView(
            run=run.id,
            session=run.session,
            state=run.state.value,
            title=run.request.title,
            gpu=run.request.gpu,
            notebook=run.request.notebook,
            cell_id=run.request.cell_id,
            created=run.created,
            why=run.why,
            place=self._machine.place(run.id) if living else None,
            started=run.started,
            ended=run.ended,
            outcome=None if living else run.outcome,
            reason=run.reason,
            frames=self._logs.log(run.id).last,
            worker=self.worker(worker),
            owner=run.owner,
        )

    def session(self, session: Session) -> api.SessionView:
        """A session, whether it lives or has ended."""
        runs = self._machine.cells_of(session.id)
        running = next((run.id for run in runs if run.state is RunState.RUNNING), None)
        idle = session.idle_since if session.state is SessionState.READY else None
        worker = self._machine.worker_of(session.id) or (self._worker(session.worker) if session.worker else None)
        return api.SessionView(
            session=session.id,
            name=session.name,
            notebook=session.notebook,
            gpu=session.gpu,
            state=session.state.value,
            created=session.created,
            why=session.why,
            expires=None if idle is None else idle + session.scaledown_window_s,
            reason=session.reason,
            worker=self.worker(worker),
            running=running,
            queued=len(runs) - (running is not None),
            variables=self._variables.of(session.id),
        )

    def worker(self, worker: Worker | None) -> api.WorkerView | None:
        """A worker with the devices it holds or held."""
        if worker is None:
            return None
        node = self._machine.nodes.get(worker.node) or self._nodes.get(worker.node)
        devices = {} if node is None else {device.id: device for device in node.devices}
        return api.WorkerView(
            worker=worker.id,
            node=worker.node,
            node_name=node.name if node else worker.node,
            devices=[self._held(worker, devices.get(device), device) for device in worker.devices],
            pid=worker.pid,
            pid_namespace=worker.pid_namespace,
            isolation=worker.isolation,
            started_by=worker.started_by,
            fallback=worker.fallback,
        )

    def devices(self, node: NodeId) -> list[api.DeviceView]:
        """The devices of a node, with who holds them."""
        return [device_view(device, holder) for device, holder in self._machine.devices() if device.node == node]

    def node(self, node: Node) -> api.NodeView:
        """A node with its devices."""
        return api.NodeView(
            node=node.id,
            name=node.name,
            state="connected" if node.state is NodeState.CONNECTED else "unknown",
            embedded=node.embedded,
            last_seen=node.last_seen,
            python=node.python,
            devices=self.devices(node.id),
            notes=list(node.notes),
        )

    def _worker(self, worker: WorkerId) -> Worker | None:
        return self._machine.workers.get(worker) or self._workers.get(worker)

    def _is_known(self, worker: WorkerId) -> bool:
        return worker in self._missed or self._worker(worker) is not None

    def _held(self, worker: Worker, device: Device | None, device_id: DeviceId) -> api.DeviceView:
        if device is None:
            return api.DeviceView(device_id, worker.node, model="unknown", index=-1, session=worker.session)
        return device_view(device, worker.session)


def _keep_newest(kept: dict[WorkerId, Any]) -> None:
    while len(kept) > _MOST_KEPT:
        del kept[next(iter(kept))]


def device_view(device: Device, holder: SessionId | None) -> api.DeviceView:
    """One device, and the session that holds it."""
    return api.DeviceView(
        device=device.id,
        node=device.node,
        model=device.model,
        index=device.index,
        memory_bytes=device.memory_bytes,
        simulated=device.simulated,
        session=holder,
        trouble=device.trouble,
    )


def token_view(token: Token, secret: str | None = None) -> api.TokenView:
    """A token; `secret` only for who made it, once."""
    return api.TokenView(
        token=token.id,
        user=token.user,
        scope=scope_of(token),
        note=token.note,
        created=token.created,
        expires=token.expires,
        revoked=token.revoked,
        secret=secret,
        node=token.node,
    )
