"""Stopping what somebody no longer wants, in steps: SIGINT, then the end of the whole process tree.

Which step is due is stored with the run (`force_at`), so a restarted executor goes on where it was.
"""

from dataclasses import replace

from farcell_executor.model import Run, RunState, Session, WorkerState
from farcell_executor.scheduling.actions import Interrupt
from farcell_executor.scheduling.ending import STRAGGLER_S, decide, outcome_of_stop, release, stop_worker
from farcell_executor.scheduling.ledger import Ledger
from farcell_protocol.errors import BadRequest, Cancelled, ErrorInfo, NotFound, RunFailure, TimedOut, Unavailable
from farcell_protocol.ids import NodeId, SessionId

TIMEOUT_GRACE_S = 2.0
"""How long a run over its time limit has after SIGINT, and again after SIGTERM."""


def stop(ledger: Ledger, run: Run, reason: ErrorInfo, grace_s: float, now: float) -> None:
    """Stop a run: at once when it is still queued, else by SIGINT and, `grace_s` later, by force.

    Asked for again, the first reason stands and the next step comes no later than asked for now.
    """
    if run.ending:
        return
    if run.state is not RunState.RUNNING:
        decide(ledger, run, outcome_of_stop(reason), reason)
        return
    force_at = now + max(grace_s, 0.0)
    if run.force_at is not None:
        force_at = min(force_at, run.force_at)
    run = replace(run, stop_reason=run.stop_reason or reason, force_at=force_at, grace_s=max(grace_s, 0.0))
    ledger.put(run)
    if force_at <= now:
        force(ledger, run, now)
    else:
        _interrupt(ledger, run)


def force(ledger: Ledger, run: Run, now: float) -> None:
    """The milder steps had their time: end the run's worker, and its session with it."""
    reason = run.stop_reason
    worker = ledger.workers.get(run.worker) if run.worker else None
    if worker is None or worker.state is WorkerState.GONE:
        _give_up_end(ledger, run, now)
        return
    ledger.put(replace(run, force_at=None))
    if reason is None:
        return
    session = ledger.sessions.get(run.session)
    if session is not None:
        release(ledger, session, reason, now, run.grace_s)
    else:
        stop_worker(ledger, worker, run.grace_s, reason)


def _give_up_end(ledger: Ledger, run: Run, now: float) -> None:
    """The worker is gone and the keeper's `End` never came; behind a broken link it may still come."""
    worker = ledger.workers.get(run.worker) if run.worker else None
    if worker is not None and not ledger.is_connected(worker.node):
        ledger.put(replace(run, force_at=now + STRAGGLER_S))
        return
    reason = worker.reason if worker is not None else None
    decide(ledger, run, "lost", reason or RunFailure("its worker is gone and said nothing more", run=run.id).info())


def interrupt(ledger: Ledger, run: Run) -> None:
    """The stop button: SIGINT for what runs; what is queued leaves the queue."""
    if run.ending:
        return
    if run.state is RunState.RUNNING:
        _interrupt(ledger, run)
    else:
        decide(ledger, run, "cancelled", Cancelled("interrupted while it was queued", run=run.id).info())


def _interrupt(ledger: Ledger, run: Run) -> None:
    worker = ledger.workers.get(run.worker) if run.worker else None
    if worker is None or worker.state is not WorkerState.READY:
        return
    if ledger.is_connected(worker.node):
        ledger.ask(Interrupt(worker.node, worker.id, run.id))
    else:
        ledger.unsaid.add(run.id)


def say_what_was_not(ledger: Ledger, node: NodeId) -> None:
    """A node can be told again: interrupt there what somebody wanted interrupted meanwhile."""
    for run in [ledger.runs[run] for run in ledger.unsaid]:
        worker = ledger.workers.get(run.worker) if run.worker else None
        if worker is not None and worker.node == node:
            ledger.unsaid.discard(run.id)
            if not run.ending:
                _interrupt(ledger, run)


def deadline_passed(ledger: Ledger, run: Run, now: float) -> None:
    """A running run's next deadline has come: its time limit, or the next step of its stop."""
    limit = run.request.timeout_s
    if run.force_at is not None:
        force(ledger, run, now)
    elif limit is not None:
        reason = TimedOut(f"over its time limit of {limit:g} s", run=run.id, timeout_s=limit).info()
        stop(ledger, run, reason, TIMEOUT_GRACE_S, now)


def refused(ledger: Ledger, run: Run, reason: ErrorInfo, now: float) -> None:
    """The keeper said no: to an interrupt that came too early, to the run itself, or it has lost the output."""
    if reason.code == Unavailable.code:
        return
    if reason.code in (NotFound.code, BadRequest.code):
        decide(ledger, run, "refused", reason)
    else:
        log_failed(ledger, run, reason, now)


def log_failed(ledger: Ledger, run: Run, reason: ErrorInfo, now: float) -> None:
    """What the run says can no longer be kept, so it must not go on: its worker is ended at once."""
    if run.ending:
        return
    if run.stop_reason is None:
        run = replace(run, stop_reason=reason)
    decide(ledger, run, "lost", reason)
    worker = ledger.workers.get(run.worker) if run.worker else None
    session = ledger.sessions.get(run.session)
    if worker is None:
        return
    if session is not None:
        release(ledger, session, reason, now, grace_s=0.0)
    else:
        stop_worker(ledger, worker, 0.0, reason)


def stop_session(ledger: Ledger, session: Session, reason: ErrorInfo, grace_s: float, now: float) -> None:
    """Somebody lets go of a session and of everything in it."""
    for run in ledger.all_of(session.id):
        if run.state is not RunState.RUNNING:
            decide(ledger, run, outcome_of_stop(reason), reason)
        elif not run.ending:
            ledger.put(replace(run, stop_reason=run.stop_reason or reason, force_at=None))
    worker = ledger.worker_of(session)
    mild = worker is not None and worker.state is WorkerState.READY
    release(ledger, session, reason, now, grace_s if mild else 0.0)


def stop_ended_session(ledger: Ledger, session: SessionId, reason: ErrorInfo, grace_s: float) -> None:
    """Asked again while the worker of an ended session is still stopping: pass the new grace on."""
    for worker in list(ledger.workers.values()):
        if worker.session == session:
            stop_worker(ledger, worker, grace_s, reason)
