"""What a session does next: wait for devices, start its worker, hand over one run at a time, fall idle.

The rules of the events change single nouns; `settle` then brings every session they touched to rest,
lets those in line start, and writes down why the others wait.
"""

from collections.abc import Callable
from dataclasses import replace

from farcell_executor.model import Run, RunState, Session, SessionState, Worker, WorkerState
from farcell_executor.scheduling import wording
from farcell_executor.scheduling.actions import Dispatch, StartWorker
from farcell_executor.scheduling.ending import release
from farcell_executor.scheduling.fairness import next_turns, spec_of
from farcell_executor.scheduling.ledger import Ledger
from farcell_executor.scheduling.placement import Placement
from farcell_protocol.errors import ErrorInfo, SessionEnded
from farcell_protocol.ids import SessionId, WorkerId
from farcell_protocol.messages.api import Interpreter

USED_AGAIN_S = 5.0
"""How exactly the time of a session's last use without a run is known."""


def settle(ledger: Ledger, now: float, new_worker_id: Callable[[], WorkerId]) -> None:
    """Let everything happen that the event made possible."""
    while ledger.touched or ledger.line_moved:
        for session_id in list(ledger.touched):
            session = ledger.sessions.get(session_id)
            if session is not None:
                _advance(ledger, session, now)
        explain = list(ledger.touched)
        ledger.touched.clear()
        if ledger.line_moved:
            for session, found in next_turns(ledger):
                _start(ledger, session, found, now, new_worker_id())
            ledger.line_moved = False  # one round is enough: starting somebody only takes devices away
            explain += [session.id for session in ledger.sessions.values() if session.state is SessionState.WAITING]
        for session_id in dict.fromkeys(explain):
            _explain(ledger, session_id)


def _advance(ledger: Ledger, session: Session, now: float) -> None:
    """One session by itself: hand over, fall idle, or let go of a worker nobody waits for any more."""
    waiting = ledger.queue(session.id)
    if session.state is not SessionState.READY:
        if not waiting:
            release(ledger, session, _ended(session, "nothing was left to run in it"), now, grace_s=0.0)
        elif session.state is SessionState.STARTING and waiting[0].state is RunState.QUEUED:
            ledger.put(replace(waiting[0], state=RunState.STARTING))
    elif ledger.running(session.id) is not None:
        _set_idle(ledger, session, None)
    elif waiting:
        _set_idle(ledger, session, None)
        _hand_over(ledger, session, waiting[0], now)
    elif session.once:
        release(ledger, session, _ended(session, "released at the end of its run"), now)
    elif session.idle_since is None:
        _set_idle(ledger, session, now)


def _set_idle(ledger: Ledger, session: Session, since: float | None) -> None:
    if session.idle_since != since:
        ledger.put(replace(session, idle_since=since))


def _hand_over(ledger: Ledger, session: Session, run: Run, now: float) -> None:
    worker = ledger.worker_of(session)
    if worker is None or not ledger.is_connected(worker.node):
        return  # it cannot arrive now; settled again when the node is back
    ledger.put(replace(run, state=RunState.RUNNING, worker=worker.id, started=now, why=""))
    ledger.ask(Dispatch(worker.node, worker.id, run.id))


def _start(ledger: Ledger, session: Session, found: Placement, now: float, worker_id: WorkerId) -> None:
    """Give the session its devices and have its worker started."""
    worker = Worker(worker_id, session.id, found.node, found.devices, WorkerState.STARTING, now)
    ledger.put(worker)
    why = wording.starting(ledger.nodes.get(found.node))
    session = replace(session, state=SessionState.STARTING, worker=worker.id, why=why)
    ledger.put(session)
    ask_start(ledger, worker, session)


def ask_start(ledger: Ledger, worker: Worker, session: Session) -> None:
    """Ask the worker's node to start it; its id makes a repetition harmless."""
    python = Interpreter(session.executable, session.python)
    ledger.ask(StartWorker(worker.node, worker.id, session.id, worker.devices, python, session.cwd))


def used(ledger: Ledger, session: Session, now: float) -> None:
    """Count an idle session's window from now. Not for every movement of a slider: each time is stored."""
    if session.idle_since is not None and now - session.idle_since >= USED_AGAIN_S:
        _set_idle(ledger, session, now)


def scale_down(ledger: Ledger, session: Session, now: float) -> None:
    """Release a session that nobody used for its whole window."""
    window = f"{session.scaledown_window_s:g}"
    release(ledger, session, _ended(session, f"released after {window} s without use"), now)


def _ended(session: Session, text: str) -> ErrorInfo:
    return SessionEnded(text, session=session.id).info()


def _explain(ledger: Ledger, session_id: SessionId) -> None:
    """Write down why the runs of a session wait, where the sentence has changed."""
    session = ledger.sessions.get(session_id)
    if session is None:
        return
    why = session_why(ledger, session)
    if session.why != why:
        ledger.note(replace(session, why=why))
    waiting = [run for run in ledger.runs_of(session_id) if not run.ending]
    for ahead, run in enumerate(waiting):
        text = why if ahead == 0 else wording.behind(ahead)
        if run.why != text:
            ledger.note(replace(run, why=text))


def session_why(ledger: Ledger, session: Session) -> str:
    """Why the first run of a session is not running undisturbed; empty when nothing is in its way."""
    if session.state is SessionState.WAITING:
        place = ledger.places.get(session.id, 1)
        return wording.waiting(spec_of(session.gpu), ledger.nodes.values(), ledger.claims, place)
    worker = ledger.worker_of(session)
    node = None if worker is None else ledger.nodes.get(worker.node)
    if node is not None and not ledger.is_connected(node.id):
        return wording.link_down(node)
    return wording.starting(node) if session.state is SessionState.STARTING else ""
