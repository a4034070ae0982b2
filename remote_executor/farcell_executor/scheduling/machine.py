"""The scheduling machine: events in, actions out. It knows no clock, no loop and no database.

`handle` takes one event and answers with everything that follows from it: what to store first, then
what to do. The rules are in the modules beside this one, one subject each; here is which event goes
to which, and what others may read.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from farcell_executor.model import Device, Node, NodeState, Run, RunState, Session, SessionState, Worker, WorkerState
from farcell_executor.scheduling import adoption, ending, events, invariants, sessions, stopping, submission
from farcell_executor.scheduling.actions import Action
from farcell_executor.scheduling.books import Books
from farcell_executor.scheduling.invariants import InvariantBroken
from farcell_protocol import ids
from farcell_protocol.errors import ErrorInfo
from farcell_protocol.gpus import GpuSpec
from farcell_protocol.ids import NodeId, RunId, SessionId, WorkerId
from farcell_protocol.messages.api import RunRequest
from farcell_protocol.messages.keeping import WorkerReport

__all__ = ["InvariantBroken", "Machine"]


class Machine:
    """The fleet and everything asked of it. Not safe to call from two threads.

    A node that was out of reach for `node_grace_s` is given up.
    """

    def __init__(
        self,
        *,
        node_grace_s: float = math.inf,
        new_session_id: Callable[[], SessionId] = ids.new_session_id,
        new_worker_id: Callable[[], WorkerId] = ids.new_worker_id,
    ) -> None:
        self._books = Books(node_grace_s)
        self._new_session_id = new_session_id
        self._new_worker_id = new_worker_id
        self._restored = False

    # ---- events ----------------------------------------------------------------------------------

    def handle(self, event: events.Event, now: float) -> list[Action]:
        """Everything that follows from this event: the `Save`s first, then what to do, in order.

        `now` never goes back. Never raises: ids it does not know are ignored or answered by actions.
        """
        if self._restored:
            self._restored = False
            adoption.pick_up(self._books, now)
        self._apply(event, now)
        sessions.settle(self._books, now, self._new_worker_id)
        return self._books.collect()

    def _apply(self, event: events.Event, now: float) -> None:
        match event:
            case events.RunSubmitted(owner, request):
                submission.submit(self._books, owner, request, now, self._new_session_id)
            case events.Ticked():
                self._tick(now)
            case events.SessionStopRequested(session, reason, grace_s):
                self._stop_session(session, reason, grace_s, now)
            case events.SessionUsed(session):
                self._session_used(session, now)
            case events.WorkerChanged(report, node):
                self._worker_changed(report, node, now)
            case events.NodeConnected(node, workers, runs):
                adoption.node_connected(self._books, node, workers, runs, now)
            case events.DevicesChanged() | events.NodeDisconnected() | events.NodeGivenUp() | events.KeeperChanged():
                self._node_event(event, now)
            case _:
                self._run_event(event, now)

    def _run_event(self, event: events.RunEvent, now: float) -> None:
        books = self._books
        run = books.runs.get(event.run)
        if run is None:
            return
        if run.aside and isinstance(event, events.RunStopRequested | events.RunInterruptRequested):
            return  # comms end with their session; there is no code of theirs to interrupt
        match event:
            case events.RunEnded(_, outcome, reason):
                ending.run_ended(books, run, outcome, reason, now)
            case events.RunStopRequested(_, reason, grace_s):
                stopping.stop(books, run, reason, grace_s, now)
            case events.RunInterruptRequested():
                stopping.interrupt(books, run)
            case events.RunRefused(_, reason):
                stopping.refused(books, run, reason, now)
            case events.LogFailed(_, reason):
                stopping.log_failed(books, run, reason, now)

    def _node_event(self, event: events.NodeEvent, now: float) -> None:
        books = self._books
        node = books.nodes.get(event.node)
        if node is None:
            return
        match event:
            case events.DevicesChanged(_, devices):
                books.put(replace(node, devices=devices))
            case events.NodeDisconnected():
                adoption.node_disconnected(books, node, now)
            case events.NodeGivenUp():
                adoption.remove_node(books, node, now)
            case events.KeeperChanged(_, keeper):
                adoption.keeper_changed(books, node, keeper, now)

    def _worker_changed(self, report: WorkerReport, node: NodeId | None, now: float) -> None:
        worker = self._books.workers.get(report.worker)
        if worker is not None and node in (None, worker.node):
            adoption.worker_changed(self._books, worker, report, now)
        else:
            adoption.stranger_changed(self._books, node, report)

    def _stop_session(self, session_id: SessionId, reason: ErrorInfo, grace_s: float, now: float) -> None:
        session = self._books.sessions.get(session_id)
        if session is not None:
            stopping.stop_session(self._books, session, reason, grace_s, now)
        else:
            stopping.stop_ended_session(self._books, session_id, reason, grace_s)

    def _session_used(self, session_id: SessionId, now: float) -> None:
        session = self._books.sessions.get(session_id)
        if session is not None:
            sessions.used(self._books, session, now)

    def _tick(self, now: float) -> None:
        for noun in self._books.due(now):
            if isinstance(noun, Run):
                stopping.deadline_passed(self._books, noun, now)
            elif isinstance(noun, Session):
                sessions.scale_down(self._books, noun, now)
            else:
                adoption.node_overdue(self._books, noun, now)

    def next_deadline(self) -> float | None:
        """When the next `Ticked` is wanted, on the clock of `now`; None when nothing waits for time to pass."""
        return 0.0 if self._restored else self._books.next_deadline()

    # ---- a restarted executor --------------------------------------------------------------------

    def restore(
        self,
        runs: Iterable[Run],
        sessions: Iterable[Session],
        workers: Iterable[Worker],
        nodes: Iterable[Node],
    ) -> None:
        """Begin from what the store has. Nodes are unknown until their agents say hello.

        What was decided and not done is asked for by the next event (`next_deadline` says at once).
        Ended runs among `runs` are only remembered by id. Before the first `NodeConnected`, report
        `RunEnded` for each unfinished run whose log has its `End`: the keeper may have dropped such
        a run already, and handing it over again would execute it twice.
        """
        books = self._books
        for node in nodes:
            books.load(replace(node, state=NodeState.UNKNOWN))
        for session in sessions:
            if session.state is not SessionState.ENDED:
                books.load(session)
        for run in runs:
            books.load(run)
        for worker in workers:
            if worker.state is not WorkerState.GONE:
                books.load(worker)
        self._restored = True

    # ---- reading ---------------------------------------------------------------------------------

    @property
    def runs(self) -> Mapping[RunId, Run]:
        """The living runs."""
        return MappingProxyType(self._books.runs)

    @property
    def sessions(self) -> Mapping[SessionId, Session]:
        """The living sessions."""
        return MappingProxyType(self._books.sessions)

    @property
    def workers(self) -> Mapping[WorkerId, Worker]:
        """The workers that are not forgotten yet: one that is gone stays while a run of it has not ended."""
        return MappingProxyType(self._books.workers)

    @property
    def nodes(self) -> Mapping[NodeId, Node]:
        """The nodes, connected or unknown."""
        return MappingProxyType(self._books.nodes)

    def run(self, run: RunId) -> Run | None:
        """That run while it lives."""
        return self._books.runs.get(run)

    def cells_of(self, session: SessionId) -> list[Run]:
        """The living runs of a session, oldest first, without its comms."""
        return self._books.runs_of(session)

    def check_request(self, owner: str, request: RunRequest) -> GpuSpec:
        """What the request asks for, if it can ever be had; asked before `RunSubmitted`.

        Raises:
            BadSpec, BadRequest: it cannot be understood.
            SessionDiffers: the named session has other hardware or another Python.
            NoDeviceFits: no node here could ever hold it.
            Unavailable: no node has connected yet.
        """
        return submission.check(self._books, owner, request)

    def place(self, run: RunId) -> int | None:
        """A waiting run's place from 1: in line for devices while its session has none, then in its session."""
        found = self._books.runs.get(run)
        session = None if found is None else self._books.sessions.get(found.session)
        if found is None or session is None or found.state is not RunState.QUEUED or found.ending:
            return None
        ahead = [other.id for other in self._books.runs_of(session.id) if not other.ending].index(run)
        return max(1, ahead + self._books.places.get(session.id, 0))

    def why(self, run: RunId) -> str:
        """In one sentence why a living run waits, or what is the matter with it; empty when nothing is."""
        found = self._books.runs.get(run)
        return "" if found is None else found.why

    def devices(self) -> list[tuple[Device, SessionId | None]]:
        """Every device, with the session whose worker holds it (which may have ended while the worker stops)."""
        held = []
        for node in self._books.nodes.values():
            for device in node.devices:
                worker = self._books.workers.get(self._books.claims.get((node.id, device.id), WorkerId("")))
                held.append((device, None if worker is None else worker.session))
        return held

    def worker_of(self, session: SessionId) -> Worker | None:
        """The worker of a session: also of one that ended while its worker is still stopping."""
        living = self._books.sessions.get(session)
        if living is not None:
            return self._books.worker_of(living)
        return next((worker for worker in self._books.workers.values() if worker.session == session), None)

    def validate(self) -> None:
        """Check what is always true; for tests.

        Raises:
            InvariantBroken: named after the rule that does not hold.
        """
        invariants.validate(self._books)
