"""SQLite connections, each in a thread of its own, and how they are set up."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from farcell_executor.store.failing import store_failure

_BUSY_MS = 5000

_Result = TypeVar("_Result")


class Lane:
    """One thread with a connection of its own."""

    def __init__(self, engine: Engine, name: str, path: Path) -> None:
        self._threads = ThreadPoolExecutor(1, f"farcell-store-{name}")
        self._engine = engine
        self._path = path
        self.connection: Connection | None = None

    async def do(self, work: Callable[[Connection], _Result]) -> _Result:
        """Run `work` in the thread.

        Raises:
            DiskFull: there is no room.
            StoreError: for whatever else the database says.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._work, work)

    def _work(self, work: Callable[[Connection], _Result]) -> _Result:
        try:
            if self.connection is None:
                self.connection = self._engine.connect()
            return work(self.connection)
        except (SQLAlchemyError, OverflowError) as err:  # SQLite's integers have 64 bits
            raise store_failure(self._path, err) from err

    async def close(self) -> None:
        """Finish what was begun, then close the connection."""
        with suppress(RuntimeError):  # closed before
            await asyncio.get_running_loop().run_in_executor(self._threads, self._close)
        self._threads.shutdown(wait=False)

    def _close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def make_engine(path: Path) -> Engine:
    """Connections to that database; those with the execution option `reading` begin no writing transaction."""
    # Not from text: a path may hold a question mark.
    url = URL.create("sqlite", database=str(path))
    engine = create_engine(url, poolclass=NullPool, connect_args={"check_same_thread": False})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def checkpoint(connection: Connection) -> None:
    """Move what is in the WAL to the database, as far as no reader needs it where it is."""
    # Not through SQLAlchemy, which would begin a transaction first: inside one nothing can be checkpointed.
    raw = connection.connection.driver_connection
    assert raw is not None
    raw.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _prepare(dbapi_connection: Any, _record: object) -> None:
    # The sqlite3 module would begin transactions by itself, and not the immediate ones we want.
    dbapi_connection.isolation_level = None
    for pragma in (
        f"busy_timeout={_BUSY_MS}",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "wal_autocheckpoint=0",
        "foreign_keys=ON",
    ):
        dbapi_connection.execute(f"PRAGMA {pragma}").fetchall()


def _begin(connection: Connection) -> None:
    # A deferred transaction that turns into a writing one can fail half-way with "database is locked".
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
