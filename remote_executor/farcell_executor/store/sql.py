"""The store on SQLite: one writer, readers that never wait for it, and one fsync for many who wait.

The database is in WAL mode with `synchronous=NORMAL`: a commit is a write to the WAL file, without an
fsync, so it survives the death of the process and costs microseconds. `flush` makes all commits so
far survive a power cut by one fdatasync of the WAL file: recovery replays every whole transaction
found there, and it is exactly what SQLite itself does per commit under `synchronous=FULL`. What a
checkpoint has moved on is safe already, because SQLite syncs the database before it reuses the WAL.
The alternatives do more: a checkpoint writes every page again and syncs twice, and switching to FULL
for a moment would hold up the writer for the length of an fsync. (Closing our own descriptor of
the WAL drops no lock: SQLite locks the database and the shared-memory file, never the WAL.)

Three threads: saves, reads, and what waits for the disk (flushes and checkpoints).
"""

import asyncio
import os
from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, Table, select

from farcell_executor.model import (
    Node,
    NodeState,
    PrunedRun,
    Run,
    RunState,
    Session,
    SessionState,
    Token,
    Worker,
    WorkerState,
)
from farcell_executor.store import pruning, schema
from farcell_executor.store.base import Noun
from farcell_executor.store.failing import store_failure
from farcell_executor.store.lanes import Lane, checkpoint, make_engine
from farcell_executor.store.rows import Kept, from_row, to_row
from farcell_executor.store.statements import DROP_PAYLOAD, KEEP_PAYLOAD, UPSERTS, newest, with_payload
from farcell_protocol.errors import FarcellError
from farcell_protocol.ids import NodeId, RunId, SessionId, TokenId, WorkerId

_CHECKPOINT_BYTES = 4 * 2**20  # of WAL: SQLite's own default, 1000 pages
_CHECK_EVERY = 256  # saves, between two looks at the WAL's size
_FIND_AT_ONCE = 500  # ids in one statement: older SQLites take 999

_Noun = TypeVar("_Noun", Run, Session, Worker, Node, Token)


class SqlStore:
    """All nouns in one SQLite file, which nobody but its owner can read."""

    durable = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wal = path.with_name(path.name + "-wal")
        engine = make_engine(path)
        self._writer = Lane(engine, "writer", path)
        self._reader = Lane(engine.execution_options(reading=True), "reader", path)
        self._disk = Lane(engine.execution_options(reading=True), "disk", path)
        self._payloads: dict[RunId, bytes] = {}  # of which runs the payload is stored already
        self._wal_fd: int | None = None
        self._next_flush: asyncio.Task[None] | None = None
        self._flushing = asyncio.Lock()
        self._checkpoint: asyncio.Task[None] | None = None
        self._saves = 0

    async def open(self) -> None:
        """Make or open the file and bring its schema up to date; it is private (0600) from its first byte."""
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._path.chmod(0o600)
        except OSError as err:
            raise store_failure(self._path, err) from err
        try:
            await self._writer.do(self._upgrade)
        except FarcellError:
            await self.close()
            raise

    def _upgrade(self, connection: Connection) -> None:
        with connection.begin():
            schema.upgrade(connection, str(self._path))

    # ---- writing ---------------------------------------------------------------------------------

    async def save(self, nouns: Iterable[Noun]) -> None:
        """Store these nouns in one transaction."""
        batch = list(nouns)
        if batch:
            await self._writer.do(lambda connection: self._save(connection, batch))
            self._saves += 1
            if self._saves % _CHECK_EVERY == 0 and self._checkpoint is None:
                self._checkpoint = asyncio.create_task(self._move_wal_on())

    def _save(self, connection: Connection, batch: list[Noun]) -> None:
        rows: dict[type[Kept], list[dict[str, Any]]] = {}
        for noun in batch:
            rows.setdefault(type(noun), []).append(to_row(noun))
        runs = {noun.id: noun for noun in batch if isinstance(noun, Run)}
        with connection.begin():
            for kind, found in rows.items():
                connection.exec_driver_sql(UPSERTS[kind], found)
            self._keep_payloads(connection, runs.values())
        for run in runs.values():
            if run.state is RunState.ENDED:
                self._payloads.pop(run.id, None)
            else:
                self._payloads[run.id] = run.request.payload

    def _keep_payloads(self, connection: Connection, runs: Iterable[Run]) -> None:
        for run in runs:
            payload = run.request.payload
            if run.state is RunState.ENDED:
                connection.exec_driver_sql(DROP_PAYLOAD, {"run": run.id})
            elif self._payloads.get(run.id) is not payload:
                connection.exec_driver_sql(KEEP_PAYLOAD, {"run": run.id, "payload": payload})

    async def save_token(self, token: Token) -> None:
        """Store a new or changed token."""
        await self._writer.do(lambda connection: _write_one(connection, token))

    async def flush(self) -> None:
        """Wait for an fsync that began after this call; everybody who calls meanwhile shares the next one."""
        if self._next_flush is None:
            self._next_flush = asyncio.create_task(self._flush())
        await asyncio.shield(self._next_flush)

    async def _flush(self) -> None:
        async with self._flushing:
            self._next_flush = None
            await self._disk.do(self._sync)

    def _sync(self, connection: Connection) -> None:
        try:
            if self._wal_fd is None:
                self._wal_fd = os.open(self._wal, os.O_RDONLY | os.O_CLOEXEC)
                _sync_directory(self._path.parent)
            os.fdatasync(self._wal_fd)
        except OSError as err:
            raise store_failure(self._wal, err) from err

    async def _move_wal_on(self) -> None:
        """Checkpoint beside the writer rather than in one of its commits, which would wait for two fsyncs."""
        try:
            if self._wal.stat().st_size >= _CHECKPOINT_BYTES:
                await self._disk.do(checkpoint)
        except (OSError, FarcellError):
            pass  # tried again later; the WAL only grows meanwhile
        finally:
            self._checkpoint = None

    async def close(self) -> None:
        """Finish what was begun and let go of the files; the last connection to close empties the WAL."""
        for lane in (self._disk, self._reader, self._writer):
            await lane.close()
        if self._wal_fd is not None:
            os.close(self._wal_fd)
            self._wal_fd = None

    # ---- reading ---------------------------------------------------------------------------------

    async def run(self, run: RunId) -> Run | None:
        """That run, or None."""
        found = await self._read(Run, with_payload().where(schema.runs.c.id == run))
        return found[0] if found else None

    async def runs(self, owner: str | None = None, *, unfinished: bool = False, limit: int = 1000) -> list[Run]:
        """The newest `limit` runs, of one owner or of all, oldest first."""
        query = with_payload()
        if unfinished:
            query = query.where(schema.runs.c.state != RunState.ENDED.value)
        return await self._read(Run, newest(query, schema.runs, owner, limit), backwards=True)

    async def session(self, session: SessionId) -> Session | None:
        """That session, or None."""
        found = await self._read(Session, select(schema.sessions).where(schema.sessions.c.id == session))
        return found[0] if found else None

    async def sessions(self, owner: str | None = None, *, alive: bool = False, limit: int = 1000) -> list[Session]:
        """The newest `limit` sessions, of one owner or of all, oldest first."""
        query = select(schema.sessions)
        if alive:
            query = query.where(schema.sessions.c.state != SessionState.ENDED.value)
        return await self._read(Session, newest(query, schema.sessions, owner, limit), backwards=True)

    async def workers(self, *, alive: bool = True) -> list[Worker]:
        """All workers, oldest first; `alive` leaves out those that are gone."""
        query = select(schema.workers).order_by(schema.workers.c.created, schema.workers.c.seq)
        if alive:
            query = query.where(schema.workers.c.state != WorkerState.GONE.value)
        return await self._read(Worker, query)

    async def nodes(self) -> list[Node]:
        """All nodes that were not given up, in the order in which they first came."""
        gone = schema.nodes.c.state == NodeState.GONE.value
        return await self._read(Node, select(schema.nodes).where(~gone).order_by(schema.nodes.c.seq))

    async def find_workers(self, workers: Collection[WorkerId]) -> list[Worker]:
        """Those of these that are stored, gone or not."""
        return await self._find(Worker, schema.workers, workers)

    async def find_nodes(self, nodes: Collection[NodeId]) -> list[Node]:
        """Those of these that are stored, given up or not."""
        return await self._find(Node, schema.nodes, nodes)

    async def token(self, token: TokenId) -> Token | None:
        """That token, revoked or not, or None."""
        found = await self._read(Token, select(schema.tokens).where(schema.tokens.c.id == token))
        return found[0] if found else None

    async def tokens(self) -> list[Token]:
        """All tokens, oldest first."""
        return await self._read(Token, select(schema.tokens).order_by(schema.tokens.c.created, schema.tokens.c.seq))

    # ---- pruning ---------------------------------------------------------------------------------

    async def ended_runs(self, limit: int) -> list[tuple[RunId, float]]:
        """The oldest `limit` ended runs by creation, each with the time of its end."""
        return [(RunId(run), ended) for run, ended in await self._rows(pruning.ended_runs(limit))]

    async def prune(self, runs: Collection[RunId], now: float) -> None:
        """Remove those of these runs that have ended; other saves come in between."""
        some = list(runs)
        while some:
            await self._writer.do(partial(pruning.prune_runs, some=some[: pruning.AT_ONCE], now=now))
            del some[: pruning.AT_ONCE]

    async def prune_sessions(self, before: float) -> None:
        """Remove the sessions that ended before then, and gone workers whose session is not stored any more."""
        while await self._writer.do(partial(pruning.prune_sessions, before=before)):
            continue
        while await self._writer.do(pruning.prune_workers):
            continue

    async def pruned(self, run: RunId) -> PrunedRun | None:
        """What is remembered of that run, or None if it never was pruned."""
        return await self._reader.do(partial(pruning.find_pruned, run=run))

    async def pruned_runs(self, limit: int) -> list[RunId]:
        """The `limit` runs that were pruned last."""
        return [RunId(run) for (run,) in await self._rows(pruning.last_pruned(limit))][::-1]

    async def _rows(self, query: Select[Any]) -> list[Any]:
        def read(connection: Connection) -> list[Any]:
            with connection.begin():
                return list(connection.execute(query))

        return await self._reader.do(read)

    async def _find(self, kind: type[_Noun], table: Table, ids: Collection[str]) -> list[_Noun]:
        found: list[_Noun] = []
        some = list(ids)
        while some:
            found += await self._read(kind, select(table).where(table.c.id.in_(some[:_FIND_AT_ONCE])))
            del some[:_FIND_AT_ONCE]
        return found

    async def _read(self, kind: type[_Noun], query: Select[Any], *, backwards: bool = False) -> list[_Noun]:
        def read(connection: Connection) -> list[_Noun]:
            with connection.begin():
                found = [from_row(kind, row._asdict()) for row in connection.execute(query)]
            return found[::-1] if backwards else found

        return await self._reader.do(read)


def _write_one(connection: Connection, noun: Kept) -> None:
    with connection.begin():
        connection.exec_driver_sql(UPSERTS[type(noun)], to_row(noun))


def _sync_directory(directory: Path) -> None:
    """Make the WAL's own name safe: fsync of a new file does not promise its directory entry."""
    fd = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
