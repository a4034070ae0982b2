"""What a session does next: wait for devices, start its worker, hand over one run at a time, fall idle.

The rules of the events change single nouns; `settle` then brings every session they touched to rest,
lets those in line start, and writes down why the others wait.
"""

from collections.abc import Callable
from dataclasses import replace

from farcell_executor.model import Run, RunState, Session, SessionState, Worker, WorkerState
from farcell_executor.scheduling import wording
from farcell_executor.scheduling.actions import Dispatch, StartWorker
from farcell_executor.scheduling.books import Books
from farcell_executor.scheduling.ending import release
from farcell_executor.scheduling.fairness import next_turns, spec_of
from farcell_executor.scheduling.placement import Placement
from farcell_protocol.errors import ErrorInfo, SessionEnded
from farcell_protocol.ids import SessionId, WorkerId
from farcell_protocol.messages.api import Interpreter

USED_AGAIN_S = 5.0
"""How exactly the time of a session's last use without a run is known."""


def settle(books: Books, now: float, new_worker_id: Callable[[], WorkerId]) -> None:
    """Let everything happen that the event made possible."""
    while books.touched or books.line_moved:
        for session_id in list(books.touched):
            session = books.sessions.get(session_id)
            if session is not None:
                _advance(books, session, now)
        explain = list(books.touched)
        books.touched.clear()
        if books.line_moved:
            for session, found in next_turns(books):
                _start(books, session, found, now, new_worker_id())
            books.line_moved = False  # one round is enough: starting somebody only takes devices away
            explain += [session.id for session in books.sessions.values() if session.state is SessionState.WAITING]
        for session_id in dict.fromkeys(explain):
            _explain(books, session_id)


def _advance(books: Books, session: Session, now: float) -> None:
    """One session by itself: hand over, fall idle, or let go of a worker nobody waits for any more."""
    waiting = books.queue(session.id)
    if session.state is not SessionState.READY:
        if not waiting:
            release(books, session, _ended(session, "nothing was left to run in it"), now, grace_s=0.0)
        elif session.state is SessionState.STARTING and waiting[0].state is RunState.QUEUED:
            books.put(replace(waiting[0], state=RunState.STARTING))
    elif books.running(session.id) is not None:
        _set_idle(books, session, None)
    elif waiting:
        _set_idle(books, session, None)
        _hand_over(books, session, waiting[0], now)
    elif session.once:
        release(books, session, _ended(session, "released at the end of its run"), now)
    elif session.idle_since is None:
        _set_idle(books, session, now)


def _set_idle(books: Books, session: Session, since: float | None) -> None:
    if session.idle_since != since:
        books.put(replace(session, idle_since=since))


def _hand_over(books: Books, session: Session, run: Run, now: float) -> None:
    worker = books.worker_of(session)
    if worker is None or not books.is_connected(worker.node):
        return  # it cannot arrive now; settled again when the node is back
    books.put(replace(run, state=RunState.RUNNING, worker=worker.id, started=now, why=""))
    books.ask(Dispatch(worker.node, worker.id, run.id))


def _start(books: Books, session: Session, found: Placement, now: float, worker_id: WorkerId) -> None:
    """Give the session its devices and have its worker started."""
    worker = Worker(worker_id, session.id, found.node, found.devices, WorkerState.STARTING, now)
    books.put(worker)
    why = wording.starting(books.nodes.get(found.node))
    session = replace(session, state=SessionState.STARTING, worker=worker.id, why=why)
    books.put(session)
    ask_start(books, worker, session)


def ask_start(books: Books, worker: Worker, session: Session) -> None:
    """Ask the worker's node to start it; its id makes a repetition harmless."""
    python = Interpreter(session.executable, session.python)
    books.ask(StartWorker(worker.node, worker.id, session.id, worker.devices, python, session.cwd))


def used(books: Books, session: Session, now: float) -> None:
    """Count an idle session's window from now. Not for every movement of a slider: each time is stored."""
    if session.idle_since is not None and now - session.idle_since >= USED_AGAIN_S:
        _set_idle(books, session, now)


def scale_down(books: Books, session: Session, now: float) -> None:
    """Release a session that nobody used for its whole window."""
    window = f"{session.scaledown_window_s:g}"
    release(books, session, _ended(session, f"released after {window} s without use"), now)


def _ended(session: Session, text: str) -> ErrorInfo:
    return SessionEnded(text, session=session.id).info()


def _explain(books: Books, session_id: SessionId) -> None:
    """Write down why the runs of a session wait, where the sentence has changed."""
    session = books.sessions.get(session_id)
    if session is None:
        return
    why = session_why(books, session)
    if session.why != why:
        books.note(replace(session, why=why))
    waiting = [run for run in books.runs_of(session_id) if not run.ending]
    for ahead, run in enumerate(waiting):
        text = why if ahead == 0 else wording.behind(ahead)
        if run.why != text:
            books.note(replace(run, why=text))


def session_why(books: Books, session: Session) -> str:
    """Why the first run of a session is not running undisturbed; empty when nothing is in its way."""
    if session.state is SessionState.WAITING:
        place = books.places.get(session.id, 1)
        return wording.waiting(spec_of(session.gpu), books.nodes.values(), books.claims, place)
    worker = books.worker_of(session)
    node = None if worker is None else books.nodes.get(worker.node)
    if node is not None and not books.is_connected(node.id):
        return wording.link_down(node)
    return wording.starting(node) if session.state is SessionState.STARTING else ""
