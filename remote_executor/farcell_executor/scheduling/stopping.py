"""Stopping what somebody no longer wants, in steps: SIGINT, then the end of the whole process tree.

Which step is due is stored with the run (`force_at`), so a restarted executor goes on where it was.
"""

from dataclasses import replace

from farcell_executor.model import Run, RunState, Session, WorkerState
from farcell_executor.scheduling.actions import Interrupt
from farcell_executor.scheduling.books import Books
from farcell_executor.scheduling.ending import STRAGGLER_S, decide, outcome_of_stop, release, stop_worker
from farcell_protocol.errors import BadRequest, Cancelled, ErrorInfo, NotFound, TimedOut, Unavailable, WorkerExited
from farcell_protocol.ids import NodeId, SessionId

TIMEOUT_GRACE_S = 2.0
"""How long a run over its time limit has after SIGINT, and again after SIGTERM."""


def stop(books: Books, run: Run, reason: ErrorInfo, grace_s: float, now: float) -> None:
    """Stop a run: at once when it is still queued, else by SIGINT and, `grace_s` later, by force.

    Asked for again, the first reason stands and the next step comes no later than asked for now.
    """
    if run.ending:
        return
    if run.state is not RunState.RUNNING:
        decide(books, run, outcome_of_stop(reason), reason)
        return
    force_at = now + max(grace_s, 0.0)
    if run.force_at is not None:
        force_at = min(force_at, run.force_at)
    run = replace(run, stop_reason=run.stop_reason or reason, force_at=force_at, grace_s=max(grace_s, 0.0))
    books.put(run)
    if force_at <= now:
        force(books, run, now)
    else:
        _interrupt(books, run)


def force(books: Books, run: Run, now: float) -> None:
    """The milder steps had their time: end the run's worker, and its session with it."""
    reason = run.stop_reason
    worker = books.workers.get(run.worker) if run.worker else None
    if worker is None or worker.state is WorkerState.GONE:
        _give_up_end(books, run, now)
        return
    books.put(replace(run, force_at=None))
    if reason is None:
        return
    session = books.sessions.get(run.session)
    if session is not None:
        release(books, session, reason, now, run.grace_s)
    else:
        stop_worker(books, worker, run.grace_s, reason)


def _give_up_end(books: Books, run: Run, now: float) -> None:
    """The worker is gone and the keeper's `End` never came; behind a broken link it may still come."""
    worker = books.workers.get(run.worker) if run.worker else None
    if worker is not None and not books.is_connected(worker.node):
        books.put(replace(run, force_at=now + STRAGGLER_S))
        return
    reason = worker.reason if worker is not None else None
    silent = WorkerExited(
        f"its worker is gone, and in {STRAGGLER_S:.0f} s nothing came of how the run ended: run it again",
        run=run.id,
        worker=run.worker,
        waited_s=STRAGGLER_S,
    )
    decide(books, run, "lost", reason or silent.info())


def interrupt(books: Books, run: Run) -> None:
    """The stop button: SIGINT for what runs; what is queued leaves the queue."""
    if run.ending:
        return
    if run.state is RunState.RUNNING:
        _interrupt(books, run)
    else:
        decide(books, run, "cancelled", Cancelled("interrupted while it was queued", run=run.id).info())


def _interrupt(books: Books, run: Run) -> None:
    worker = books.workers.get(run.worker) if run.worker else None
    if worker is None or worker.state is not WorkerState.READY:
        return
    if books.is_connected(worker.node):
        books.ask(Interrupt(worker.node, worker.id, run.id))
    else:
        books.unsaid.add(run.id)


def say_what_was_not(books: Books, node: NodeId) -> None:
    """A node can be told again: interrupt there what somebody wanted interrupted meanwhile."""
    for run in [books.runs[run] for run in books.unsaid]:
        worker = books.workers.get(run.worker) if run.worker else None
        if worker is not None and worker.node == node:
            books.unsaid.discard(run.id)
            if not run.ending:
                _interrupt(books, run)


def deadline_passed(books: Books, run: Run, now: float) -> None:
    """A running run's next deadline has come: its time limit, or the next step of its stop."""
    limit = run.request.timeout_s
    if run.force_at is not None:
        force(books, run, now)
    elif limit is not None:
        reason = TimedOut(f"over its time limit of {limit:g} s", run=run.id, timeout_s=limit).info()
        stop(books, run, reason, TIMEOUT_GRACE_S, now)


def refused(books: Books, run: Run, reason: ErrorInfo, now: float) -> None:
    """The keeper said no: to an interrupt that came too early, to the run itself, or it has lost the output."""
    if reason.code == Unavailable.code:
        return
    if reason.code in (NotFound.code, BadRequest.code):
        decide(books, run, "refused", reason)
    else:
        log_failed(books, run, reason, now)


def log_failed(books: Books, run: Run, reason: ErrorInfo, now: float) -> None:
    """What the run says can no longer be kept, so it must not go on: its worker is ended at once."""
    if run.ending:
        return
    if run.stop_reason is None:
        run = replace(run, stop_reason=reason)
    decide(books, run, "lost", reason)
    worker = books.workers.get(run.worker) if run.worker else None
    session = books.sessions.get(run.session)
    if worker is None:
        return
    if session is not None:
        release(books, session, reason, now, grace_s=0.0)
    else:
        stop_worker(books, worker, 0.0, reason)


def stop_session(books: Books, session: Session, reason: ErrorInfo, grace_s: float, now: float) -> None:
    """Somebody lets go of a session and of everything in it."""
    for run in books.all_of(session.id):
        if run.state is not RunState.RUNNING:
            decide(books, run, outcome_of_stop(reason), reason)
        elif not run.ending:
            books.put(replace(run, stop_reason=run.stop_reason or reason, force_at=None))
    worker = books.worker_of(session)
    mild = worker is not None and worker.state is WorkerState.READY
    release(books, session, reason, now, grace_s if mild else 0.0)


def stop_ended_session(books: Books, session: SessionId, reason: ErrorInfo, grace_s: float) -> None:
    """Asked again while the worker of an ended session is still stopping: pass the new grace on."""
    for worker in list(books.workers.values()):
        if worker.session == session:
            stop_worker(books, worker, grace_s, reason)
