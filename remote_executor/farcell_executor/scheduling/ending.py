"""How runs, sessions and workers end. The reason is stored first; what follows from it comes after.

A run's end is *decided* here when its worker will not say it: that is stored, and its `End` frame is
asked for. The run has *ended* when that frame is reported to be in the log (`run_ended`).
"""

from dataclasses import replace

from farcell_executor.model import Run, RunState, Session, SessionState, Worker, WorkerState
from farcell_executor.scheduling import wording
from farcell_executor.scheduling.actions import EndLog, StopWorker
from farcell_executor.scheduling.books import Books
from farcell_protocol.errors import Cancelled, ErrorInfo, SessionEnded, TimedOut, WorkerNotStarted
from farcell_protocol.frames import Outcome

RELEASE_GRACE_S = 2.0
"""How long a released worker has between SIGTERM and SIGKILL."""

STRAGGLER_S = 60.0
"""How long the `End` of a run may take to arrive after its worker is gone. The keeper sends it before
it reports the exit, so this only ends a run whose `End` will never come."""


def outcome_of_stop(reason: ErrorInfo) -> Outcome:
    """How a run ends that was stopped for this reason."""
    if reason.code == TimedOut.code:
        return "timed-out"
    return "cancelled" if reason.code in (Cancelled.code, SessionEnded.code) else "lost"


def decide(books: Books, run: Run, outcome: Outcome, reason: ErrorInfo) -> None:
    """Settle how a run ends, once; an earlier decision stands, and so does a stop under way."""
    if run.ending:
        return
    if run.stop_reason is not None:
        outcome, reason = outcome_of_stop(run.stop_reason), run.stop_reason
    books.put(replace(run, outcome=outcome, reason=reason, why=reason.message, force_at=None))
    books.ask(EndLog(run.id, outcome, reason))


def run_ended(books: Books, run: Run, outcome: Outcome, reason: ErrorInfo | None, now: float) -> None:
    """The log has the run's `End`. A run that came to a good end before its stop took effect is ok."""
    if run.stop_reason is not None and outcome != "ok":
        outcome, reason = outcome_of_stop(run.stop_reason), run.stop_reason
    why = "" if reason is None else reason.message
    books.put(
        replace(run, state=RunState.ENDED, ended=now, outcome=outcome, reason=reason, why=why, force_at=None),
    )


def end_session(books: Books, session: Session, reason: ErrorInfo, now: float) -> None:
    """End a session; what still waits in it is lost. Its worker is the caller's business."""
    if session.state is SessionState.ENDED:
        return
    lost = SessionEnded(wording.session_ended(session, reason.message), session=session.id, cause=reason.code).info()
    for run in books.queue(session.id):
        decide(books, run, "lost", lost)
    books.put(
        replace(session, state=SessionState.ENDED, ended=now, reason=reason, why=reason.message, idle_since=None),
    )


def stop_worker(books: Books, worker: Worker, grace_s: float, reason: ErrorInfo) -> None:
    """Have the worker stopped. Its devices stay taken until it is gone for certain."""
    if worker.state is WorkerState.GONE:
        return
    if worker.state is not WorkerState.STOPPING:
        books.put(replace(worker, state=WorkerState.STOPPING, reason=reason))
    books.ask(StopWorker(worker.node, worker.id, grace_s, reason))


def release(books: Books, session: Session, reason: ErrorInfo, now: float, grace_s: float = RELEASE_GRACE_S) -> None:
    """End a session and have its worker stopped, if it has one."""
    worker = books.worker_of(session)
    end_session(books, session, reason, now)
    if worker is not None:
        stop_worker(books, worker, grace_s, reason)


def worker_gone(books: Books, worker: Worker, reason: ErrorInfo, now: float) -> None:
    """The worker is gone for certain: its devices are free, its session has ended.

    Runs it had already are left alone: their `End` frames may still be on the way.
    """
    if worker.state is WorkerState.GONE:
        return
    session = books.sessions.get(worker.session)
    if session is not None:
        if worker.state is WorkerState.STARTING:
            _fail_start(books, session, reason)
        end_session(books, session, reason, now)
    for run in books.runs_on(worker):
        if not run.ending:
            books.put(replace(run, force_at=now + STRAGGLER_S))
    if worker.state is not WorkerState.STOPPING or worker.reason is None:
        worker = replace(worker, reason=reason)
    books.put(replace(worker, state=WorkerState.GONE))


def _fail_start(books: Books, session: Session, reason: ErrorInfo) -> None:
    """Runs whose worker never became ready end with that; starting it again would most likely end the same."""
    fields = {**reason.fields, "session": session.id, "cause": reason.code}
    failed = ErrorInfo(WorkerNotStarted.code, f"the worker did not start: {reason.message}", fields)
    for run in books.queue(session.id):
        decide(books, run, "lost", failed)


def worker_lost(books: Books, worker: Worker, reason: ErrorInfo, now: float) -> None:
    """The worker is gone and so is all it had not sent: what it ran, or was to run first, is lost as well."""
    had = books.runs_on(worker)
    if worker.state is WorkerState.STARTING:
        had += books.queue(worker.session)
    for run in had:
        decide(books, run, "lost", reason)
    worker_gone(books, worker, reason, now)
