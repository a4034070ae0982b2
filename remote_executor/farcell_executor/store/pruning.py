"""Removing old rows from the database, a few at a time: the next save waits for the transaction."""

from collections.abc import Collection

from sqlalchemy import Connection, Select, delete, exists, func, insert, literal, select

from farcell_executor.model import PrunedRun, RunState, SessionState, WorkerState
from farcell_executor.store.schema import pruned, runs, sessions, workers
from farcell_protocol.ids import RunId

AT_ONCE = 200


def ended_runs(limit: int) -> Select[tuple[str, float]]:
    """The oldest ended runs by creation, for which there is an index."""
    ended = func.coalesce(runs.c.ended, runs.c.created).label("ended")
    query = select(runs.c.id, ended).where(runs.c.state == RunState.ENDED.value)
    return query.order_by(runs.c.created, runs.c.seq).limit(limit)


def prune_runs(connection: Connection, some: Collection[RunId], now: float) -> None:
    """Remove those that have ended, and remember that they were there."""
    gone = runs.c.id.in_(some) & (runs.c.state == RunState.ENDED.value)
    ended = func.coalesce(runs.c.ended, runs.c.created)
    kept = select(runs.c.id, runs.c.owner, ended, literal(now)).where(gone)
    with connection.begin():
        connection.execute(
            insert(pruned).prefix_with("OR IGNORE").from_select(["id", "owner", "ended", "pruned"], kept)
        )
        connection.execute(delete(runs).where(gone))


def prune_sessions(connection: Connection, before: float) -> bool:
    """Remove some sessions that ended before then; whether there may be more."""
    ended = (sessions.c.state == SessionState.ENDED.value) & (sessions.c.ended < before)
    old = select(sessions.c.seq).where(ended & (sessions.c.created < before)).limit(AT_ONCE)
    with connection.begin():
        removed = connection.execute(delete(sessions).where(sessions.c.seq.in_(old)))
    return bool(removed.rowcount == AT_ONCE)


def prune_workers(connection: Connection) -> bool:
    """Remove some gone workers whose session is not stored any more; whether there may be more."""
    orphaned = ~exists().where(sessions.c.id == workers.c.session)
    old = select(workers.c.seq).where((workers.c.state == WorkerState.GONE.value) & orphaned).limit(AT_ONCE)
    with connection.begin():
        removed = connection.execute(delete(workers).where(workers.c.seq.in_(old)))
    return bool(removed.rowcount == AT_ONCE)


def find_pruned(connection: Connection, run: RunId) -> PrunedRun | None:
    """What is remembered of a run."""
    query = select(pruned.c.id, pruned.c.owner, pruned.c.ended, pruned.c.pruned).where(pruned.c.id == run)
    with connection.begin():
        row = connection.execute(query).first()
    return None if row is None else PrunedRun(RunId(row.id), row.owner, row.ended, row.pruned)


def last_pruned(limit: int) -> Select[tuple[str]]:
    """The runs that were pruned last."""
    return select(pruned.c.id).order_by(pruned.c.seq.desc()).limit(limit)
