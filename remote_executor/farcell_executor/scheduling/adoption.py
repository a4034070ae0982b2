"""What happens to nodes and workers: joining, coming back, being lost, and what is found there then.

Nothing is assumed to have arrived: whenever an agent introduces itself, what its keeper has is compared with what
was decided, and what is missing is asked for again.
"""

from collections.abc import Iterable
from dataclasses import replace

from farcell_executor.model import Node, NodeState, Run, RunState, SessionState, Worker, WorkerState
from farcell_executor.scheduling.actions import Dispatch, EndLog, ForgetWorker, Resume, StopWorker
from farcell_executor.scheduling.books import Books
from farcell_executor.scheduling.ending import (
    RELEASE_GRACE_S,
    STRAGGLER_S,
    decide,
    end_session,
    stop_worker,
    worker_gone,
    worker_lost,
)
from farcell_executor.scheduling.sessions import ask_start
from farcell_executor.scheduling.stopping import say_what_was_not
from farcell_protocol.errors import (
    ErrorInfo,
    KeeperLost,
    NodeLost,
    SessionEnded,
    WorkerExited,
)
from farcell_protocol.ids import NodeId, RunId
from farcell_protocol.messages.keeping import RunReport, WorkerReport


def node_connected(
    books: Books, node: Node, reported: Iterable[WorkerReport], runs: Iterable[RunReport], now: float
) -> None:
    """An agent introduced itself: bring together what it has and what is known."""
    known = books.nodes.get(node.id)
    lost = None if known is None else _other_life(known, node)
    if lost is not None:
        lose_workers(books, node.id, lost, now)
    books.put(replace(node, state=NodeState.CONNECTED, last_seen=now))
    books.drop_strays(node.id)
    there = {report.worker: report for report in reported}
    logs = {report.run: report for report in runs}
    for worker in books.workers_on(node.id):
        _adopt(books, worker, there.pop(worker.id, None), now)
    for stranger in there.values():
        _turn_away(books, node.id, stranger)
    _adopt_runs(books, node.id, logs)
    say_what_was_not(books, node.id)
    _touch(books, node.id)


def _other_life(known: Node, node: Node) -> ErrorInfo | None:
    """Why nothing of what ran there can be left, if so."""
    if known.boot_id != node.boot_id:
        return NodeLost(f"{node.name} was restarted, and everything on it ended", node=node.id).info()
    if known.keeper != node.keeper:
        return _keeper_lost(node)
    return None


def _keeper_lost(node: Node) -> ErrorInfo:
    return KeeperLost(f"the keeper of {node.name} died, and its workers with it", node=node.id).info()


def _adopt(books: Books, worker: Worker, report: WorkerReport | None, now: float) -> None:
    if report is not None:
        worker_changed(books, worker, report, now)
        return
    if worker.state is WorkerState.STARTING:
        session = books.sessions.get(worker.session)
        if session is not None:
            ask_start(books, worker, session)
    elif worker.state is WorkerState.STOPPING:
        # Its start may still be on its way, the stop behind it: the node says when it is gone, or that it never came.
        stop_worker(books, worker, RELEASE_GRACE_S, worker.reason or _STRANGER)
    elif worker.state is not WorkerState.GONE:
        unknown = WorkerExited(
            f"worker {worker.id} is gone, and its node's keeper does not know how it ended: run it again",
            worker=worker.id,
            node=worker.node,
        )
        worker_gone(books, worker, worker.reason or unknown.info(), now)


def _adopt_runs(books: Books, node: NodeId, logs: dict[RunId, RunReport]) -> None:
    """Frames that are there are fetched; what never arrived is handed over again, or lost with its worker."""
    for run in list(books.runs.values()):
        if run.state is not RunState.RUNNING or run.ending:
            continue
        worker = books.workers.get(run.worker) if run.worker else None
        if run.id in logs:
            books.ask(Resume(node, run.id))
        elif worker is not None and worker.node == node:
            _without_log(books, run, worker)


def _without_log(books: Books, run: Run, worker: Worker) -> None:
    if worker.state is WorkerState.READY:
        books.ask(Dispatch(worker.node, worker.id, run.id))
    elif worker.state is WorkerState.GONE:
        gone = (
            worker.reason or WorkerExited("its worker was gone before it began: run it again", worker=worker.id).info()
        )
        decide(books, run, "lost", gone)


def worker_changed(books: Books, worker: Worker, report: WorkerReport, now: float) -> None:
    """The keeper's newest word on a worker of ours."""
    if worker.state is WorkerState.GONE:
        _turn_away(books, worker.node, report)
    elif report.state == "exited":
        worker_gone(books, worker, _exit_reason(report), now)
    elif worker.state is WorkerState.STOPPING:
        stop_worker(books, worker, RELEASE_GRACE_S, worker.reason or _STRANGER)
    elif report.state == "ready":
        _ready(books, worker, report)


def _ready(books: Books, worker: Worker, report: WorkerReport) -> None:
    now_ready = replace(
        worker,
        state=WorkerState.READY,
        pid=report.pid,
        start_ticks=report.start_ticks,
        pid_namespace=report.pid_namespace,
        isolation=report.isolation,
        started_by=report.started_by,
        fallback=report.fallback,
    )
    if now_ready != worker:
        books.put(now_ready)
    session = books.sessions.get(worker.session)
    if session is not None and session.state is SessionState.STARTING:
        books.put(replace(session, state=SessionState.READY))


def _exit_reason(report: WorkerReport) -> ErrorInfo:
    if report.exit is not None:
        return report.exit.error
    return WorkerExited("its worker ended, and nobody saw how: run it again", worker=report.worker).info()


_NO_NODE = "after a restart the executor's database does not have its node: run it again, when that host has joined"

_STRANGER = SessionEnded(
    "this executor knows nothing of the worker: its session ended while its host was away, or another executor has it"
).info()


def _turn_away(books: Books, node: NodeId, report: WorkerReport) -> None:
    """A worker that is none of ours is ended; its devices are not handed out before it is gone."""
    if report.state == "exited":
        books.drop_strays(node, report.worker)
    else:
        books.add_stray(node, report.worker, tuple(report.spec.devices))
        books.ask(StopWorker(node, report.worker, 0.0, _STRANGER))
    books.ask(ForgetWorker(node, report.worker))


def stranger_changed(books: Books, node: NodeId | None, report: WorkerReport) -> None:
    """News of a worker that is none of ours."""
    places = [node] if node is not None else [place for place, worker in books.strays if worker == report.worker]
    for place in places:
        _turn_away(books, place, report)


def node_disconnected(books: Books, node: Node, now: float) -> None:
    """The link broke: what runs there probably still does, so nothing changes but what people are told."""
    if node.state is NodeState.CONNECTED:
        books.put(replace(node, state=NodeState.UNKNOWN, last_seen=now))
        _touch(books, node.id)


def node_overdue(books: Books, node: Node, now: float) -> None:
    """Nobody could reach the node for longer than the grace: whoever waits for it has waited long enough."""
    away = now - books.unreachable_since(node)
    reason = NodeLost(
        f"{node.name} could not be reached for {away:.0f} s, longer than the grace of {books.node_grace_s:g} s,"
        " and was given up: see what is the matter there, and run it again",
        node=node.id,
        unreachable_s=round(away, 3),
        grace_s=books.node_grace_s,
    )
    give_up_node(books, node, reason.info(), now)


def give_up_node(books: Books, node: Node, reason: ErrorInfo, now: float) -> None:
    """The node is out of the fleet for good; should it come back, it comes as a new one."""
    books.put(replace(node, state=NodeState.GONE))
    lose_workers(books, node.id, reason, now)
    books.drop_strays(node.id)


def remove_node(books: Books, node: Node, now: float) -> None:
    """An admin wants the node no more: what runs there is stopped, if it can be told."""
    reason = NodeLost(f"an admin removed {node.name}: run it again, on another host", node=node.id).info()
    if node.state is NodeState.CONNECTED:
        for worker in books.workers_on(node.id):
            books.ask(StopWorker(node.id, worker.id, RELEASE_GRACE_S, reason))
    give_up_node(books, node, reason, now)


def keeper_changed(books: Books, node: Node, keeper: str, now: float) -> None:
    """Another keeper stands in the place of the one that had the node's workers.

    What was asked of the node before this was known may still reach the new one: a worker that it starts on such
    an old order is stopped, and its devices are not handed out before the node says that it is gone, or never was.
    """
    if keeper == node.keeper:
        return
    lost = _keeper_lost(node)
    had = [worker for worker in books.workers_on(node.id) if worker.state is not WorkerState.GONE]
    for worker in had:
        books.ask(StopWorker(node.id, worker.id, 0.0, lost))
    lose_workers(books, node.id, lost, now)
    books.drop_strays(node.id)
    for worker in had:
        books.add_stray(node.id, worker.id, worker.devices)
    books.put(replace(node, keeper=keeper))


def lose_workers(books: Books, node: NodeId, reason: ErrorInfo, now: float) -> None:
    """Nothing of what ran on this node is left."""
    for worker in books.workers_on(node):
        worker_lost(books, worker, reason, now)


def _touch(books: Books, node: NodeId) -> None:
    """Whoever has a worker on the node may go on now, or must be told why not."""
    for worker in books.workers_on(node):
        books.touched[worker.session] = None


def pick_up(books: Books, now: float) -> None:
    """Go on after a restart: ask again for what was decided and perhaps not done."""
    books.listens_since(now)
    for run in list(books.runs.values()):
        if run.ending and run.outcome is not None:
            books.ask(EndLog(run.id, run.outcome, run.reason))
        elif run.state is RunState.RUNNING and run.worker not in books.workers and run.force_at is None:
            books.put(replace(run, force_at=now + STRAGGLER_S))
    _repair(books, now)


def _repair(books: Books, now: float) -> None:
    """End what the store holds only half of: its other half was never stored, or was lost with a disk."""
    for worker in list(books.workers.values()):
        if worker.node not in books.nodes:
            worker_lost(books, worker, NodeLost(_NO_NODE, node=worker.node).info(), now)
    lost = SessionEnded(
        "after a restart the executor's database had only a part of this session: it was replaced, restored from a"
        " copy, or not all of it had reached the disk; run it again"
    ).info()
    for session in list(books.sessions.values()):
        held = books.worker_of(session)
        if session.state is not SessionState.WAITING and (held is None or held.state is WorkerState.STOPPING):
            end_session(books, session, lost, now)
    for worker in list(books.workers.values()):
        holder = books.sessions.get(worker.session)
        if holder is None or holder.worker != worker.id:
            stop_worker(books, worker, RELEASE_GRACE_S, worker.reason or lost)
    for run in list(books.runs.values()):
        if run.state is not RunState.RUNNING and run.session not in books.sessions:
            decide(books, run, "lost", lost)
