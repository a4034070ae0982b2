"""What happens to nodes and workers: joining, coming back, being lost, and what is found there then.

Nothing is assumed to have arrived: whenever an agent introduces itself, what its keeper has is compared with what
was decided, and what is missing is asked for again.
"""

from collections.abc import Iterable
from dataclasses import replace

from farcell_executor.model import Node, NodeState, Run, RunState, SessionState, Worker, WorkerState
from farcell_executor.scheduling.actions import Dispatch, EndLog, ForgetWorker, Resume, StopWorker
from farcell_executor.scheduling.ending import (
    RELEASE_GRACE_S,
    STRAGGLER_S,
    decide,
    end_session,
    stop_worker,
    worker_gone,
    worker_lost,
)
from farcell_executor.scheduling.ledger import Ledger
from farcell_executor.scheduling.sessions import ask_start
from farcell_executor.scheduling.stopping import say_what_was_not
from farcell_protocol.errors import (
    Cancelled,
    ErrorInfo,
    KeeperLost,
    NodeLost,
    RunFailure,
    SessionEnded,
    WorkerExited,
)
from farcell_protocol.ids import NodeId, RunId
from farcell_protocol.messages.keeping import RunReport, WorkerReport


def node_connected(
    ledger: Ledger, node: Node, reported: Iterable[WorkerReport], runs: Iterable[RunReport], now: float
) -> None:
    """An agent introduced itself: bring together what it has and what is known."""
    known = ledger.nodes.get(node.id)
    lost = None if known is None else _other_life(known, node)
    if lost is not None:
        lose_workers(ledger, node.id, lost, now)
    ledger.put(replace(node, state=NodeState.CONNECTED, last_seen=now))
    ledger.drop_strays(node.id)
    there = {report.worker: report for report in reported}
    logs = {report.run: report for report in runs}
    for worker in ledger.workers_on(node.id):
        _adopt(ledger, worker, there.pop(worker.id, None), now)
    for stranger in there.values():
        _turn_away(ledger, node.id, stranger)
    _adopt_runs(ledger, node.id, logs)
    say_what_was_not(ledger, node.id)
    _touch(ledger, node.id)


def _other_life(known: Node, node: Node) -> ErrorInfo | None:
    """Why nothing of what ran there can be left, if so."""
    if known.boot_id != node.boot_id:
        return NodeLost(f"{node.name} was restarted, and everything on it ended", node=node.id).info()
    if known.keeper != node.keeper:
        return _keeper_lost(node)
    return None


def _keeper_lost(node: Node) -> ErrorInfo:
    return KeeperLost(f"the keeper of {node.name} died, and its workers with it", node=node.id).info()


def _adopt(ledger: Ledger, worker: Worker, report: WorkerReport | None, now: float) -> None:
    if report is not None:
        worker_changed(ledger, worker, report, now)
        return
    if worker.state is WorkerState.STARTING:
        session = ledger.sessions.get(worker.session)
        if session is not None:
            ask_start(ledger, worker, session)
    elif worker.state is not WorkerState.GONE:
        unknown = RunFailure("its worker is gone: the keeper knows nothing of it", worker=worker.id).info()
        worker_gone(ledger, worker, worker.reason or unknown, now)


def _adopt_runs(ledger: Ledger, node: NodeId, logs: dict[RunId, RunReport]) -> None:
    """Frames that are there are fetched; what never arrived is handed over again, or lost with its worker."""
    for run in list(ledger.runs.values()):
        if run.state is not RunState.RUNNING or run.ending:
            continue
        worker = ledger.workers.get(run.worker) if run.worker else None
        if run.id in logs:
            ledger.ask(Resume(node, run.id))
        elif worker is not None and worker.node == node:
            _without_log(ledger, run, worker)


def _without_log(ledger: Ledger, run: Run, worker: Worker) -> None:
    if worker.state is WorkerState.READY:
        ledger.ask(Dispatch(worker.node, worker.id, run.id))
    elif worker.state is WorkerState.GONE:
        gone = worker.reason or WorkerExited("its worker is gone", worker=worker.id).info()
        decide(ledger, run, "lost", gone)


def worker_changed(ledger: Ledger, worker: Worker, report: WorkerReport, now: float) -> None:
    """The keeper's newest word on a worker of ours."""
    if worker.state is WorkerState.GONE:
        _turn_away(ledger, worker.node, report)
    elif report.state == "exited":
        worker_gone(ledger, worker, _exit_reason(report), now)
    elif worker.state is WorkerState.STOPPING:
        stop_worker(ledger, worker, RELEASE_GRACE_S, worker.reason or _STRANGER)
    elif report.state == "ready":
        _ready(ledger, worker, report)


def _ready(ledger: Ledger, worker: Worker, report: WorkerReport) -> None:
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
        ledger.put(now_ready)
    session = ledger.sessions.get(worker.session)
    if session is not None and session.state is SessionState.STARTING:
        ledger.put(replace(session, state=SessionState.READY))


def _exit_reason(report: WorkerReport) -> ErrorInfo:
    if report.exit is not None:
        return report.exit.error
    return WorkerExited("its worker ended, and nobody saw how", worker=report.worker).info()


_STRANGER = Cancelled("this executor knows nothing of the worker").info()


def _turn_away(ledger: Ledger, node: NodeId, report: WorkerReport) -> None:
    """A worker that is none of ours is ended; its devices are not handed out before it is gone."""
    if report.state == "exited":
        ledger.drop_strays(node, report.worker)
    else:
        ledger.add_stray(node, report.worker, tuple(report.spec.devices))
        ledger.ask(StopWorker(node, report.worker, 0.0, _STRANGER))
    ledger.ask(ForgetWorker(node, report.worker))


def stranger_changed(ledger: Ledger, node: NodeId | None, report: WorkerReport) -> None:
    """News of a worker that is none of ours."""
    places = [node] if node is not None else [place for place, worker in ledger.strays if worker == report.worker]
    for place in places:
        _turn_away(ledger, place, report)


def node_disconnected(ledger: Ledger, node: Node, now: float) -> None:
    """The link broke: what runs there probably still does, so nothing changes but what people are told."""
    if node.state is NodeState.CONNECTED:
        ledger.put(replace(node, state=NodeState.UNKNOWN, last_seen=now))
        _touch(ledger, node.id)


def node_overdue(ledger: Ledger, node: Node, now: float) -> None:
    """Nobody could reach the node for longer than the grace: whoever waits for it has waited long enough."""
    away = now - ledger.unreachable_since(node)
    reason = NodeLost(
        f"{node.name} could not be reached for {away:.0f} s, longer than the grace of {ledger.node_grace_s:g} s,"
        " and was given up: see what is the matter there, and run it again",
        node=node.id,
        unreachable_s=round(away, 3),
        grace_s=ledger.node_grace_s,
    )
    give_up_node(ledger, node, reason.info(), now)


def give_up_node(ledger: Ledger, node: Node, reason: ErrorInfo, now: float) -> None:
    """The node is out of the fleet for good; should it come back, it comes as a new one."""
    lose_workers(ledger, node.id, reason, now)
    ledger.drop_strays(node.id)
    ledger.put(replace(node, state=NodeState.GONE))


def keeper_changed(ledger: Ledger, node: Node, keeper: str, now: float) -> None:
    """Another keeper stands in the place of the one that had the node's workers."""
    if keeper != node.keeper:
        lose_workers(ledger, node.id, _keeper_lost(node), now)
        ledger.drop_strays(node.id)
        ledger.put(replace(node, keeper=keeper))


def lose_workers(ledger: Ledger, node: NodeId, reason: ErrorInfo, now: float) -> None:
    """Nothing of what ran on this node is left."""
    for worker in ledger.workers_on(node):
        worker_lost(ledger, worker, reason, now)


def _touch(ledger: Ledger, node: NodeId) -> None:
    """Whoever has a worker on the node may go on now, or must be told why not."""
    for worker in ledger.workers_on(node):
        ledger.touched[worker.session] = None


def pick_up(ledger: Ledger, now: float) -> None:
    """Go on after a restart: ask again for what was decided and perhaps not done."""
    ledger.listens_since(now)
    for run in list(ledger.runs.values()):
        if run.ending and run.outcome is not None:
            ledger.ask(EndLog(run.id, run.outcome, run.reason))
        elif run.state is RunState.RUNNING and run.worker not in ledger.workers and run.force_at is None:
            ledger.put(replace(run, force_at=now + STRAGGLER_S))
    _repair(ledger, now)


def _repair(ledger: Ledger, now: float) -> None:
    """End what the store holds only half of: its other half was never stored, or was lost with a disk."""
    for worker in list(ledger.workers.values()):
        if worker.node not in ledger.nodes:
            worker_lost(ledger, worker, NodeLost("its node is not known any more", node=worker.node).info(), now)
    lost = SessionEnded("what belongs to it is not in the store").info()
    for session in list(ledger.sessions.values()):
        held = ledger.worker_of(session)
        if session.state is not SessionState.WAITING and (held is None or held.state is WorkerState.STOPPING):
            end_session(ledger, session, lost, now)
    for worker in list(ledger.workers.values()):
        holder = ledger.sessions.get(worker.session)
        if holder is None or holder.worker != worker.id:
            stop_worker(ledger, worker, RELEASE_GRACE_S, worker.reason or lost)
    for run in list(ledger.runs.values()):
        if run.state is not RunState.RUNNING and run.session not in ledger.sessions:
            decide(ledger, run, "lost", lost)
