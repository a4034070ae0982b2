"""What the SQL store promises beyond the contract: a private file, a schema it knows, and survival."""

import asyncio
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine

from farcell_executor.store import schema
from farcell_executor.store.sql import SqlStore
from farcell_protocol.errors import DiskFull, SchemaTooNew, StoreError
from farcell_protocol.ids import RunId


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    store = SqlStore(tmp_path / "store.sqlite")
    await store.open()
    yield store
    await store.close()


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


async def test_nobody_else_can_read_any_of_its_files(store: SqlStore, tmp_path: Path, nouns):
    await store.save([nouns.run()])
    found = modes(tmp_path)
    assert set(found) == {"store.sqlite", "store.sqlite-wal", "store.sqlite-shm"}
    assert set(found.values()) == {0o600}


async def test_a_file_that_others_could_read_is_made_private(tmp_path: Path):
    path = tmp_path / "store.sqlite"
    path.touch(mode=0o644)
    store = SqlStore(path)
    await store.open()
    await store.close()
    assert modes(tmp_path) == {"store.sqlite": 0o600}


async def test_any_folder_name_will_do(tmp_path: Path, nouns):
    folder = tmp_path / "a b?mode=ro&x#%41"
    folder.mkdir()
    store = SqlStore(folder / "store.sqlite")
    await store.open()
    await store.save([nouns.run()])
    await store.flush()
    await store.close()
    assert list(modes(folder)) == ["store.sqlite"]


async def test_closing_leaves_one_file(store: SqlStore, tmp_path: Path, nouns):
    await store.save([nouns.run()])
    await store.flush()
    await store.close()
    assert list(modes(tmp_path)) == ["store.sqlite"]


async def test_it_holds_no_file_open_after_closing(tmp_path: Path, nouns):
    store = SqlStore(tmp_path / "store.sqlite")
    await store.open()
    await store.save([nouns.run()])
    await store.flush()
    await store.runs()
    await store.close()
    links = [os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    assert [link for link in links if link.startswith(str(tmp_path))] == []


# ---- the schema --------------------------------------------------------------------------------------


async def test_a_database_of_a_newer_schema_is_refused_by_name(store: SqlStore, tmp_path: Path):
    await store.close()
    path = tmp_path / "store.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("UPDATE schema_version SET version = 99")
    database.close()
    with pytest.raises(SchemaTooNew, match=r"store\.sqlite has schema 99, this program knows up to 3"):
        await SqlStore(path).open()


async def test_a_file_that_is_no_database_is_refused_by_name_and_left_as_it_is(tmp_path: Path):
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"not a database at all, but a rather long text\n" * 100)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"store\.sqlite: .*not a database"):
        await SqlStore(path).open()
    assert path.read_bytes() == before


async def test_a_folder_that_is_not_there_is_an_error_that_names_it(tmp_path: Path):
    with pytest.raises(StoreError, match="missing"):
        await SqlStore(tmp_path / "missing" / "store.sqlite").open()


def test_an_older_schema_is_brought_up_step_by_step_and_all_or_nothing():
    done = []

    def step(number: int):
        def run(connection: Connection) -> None:
            connection.exec_driver_sql(f"CREATE TABLE step{number} (x)")
            done.append(number)

        return run

    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        schema.upgrade(connection, "here", version=1)
    with engine.begin() as connection:
        schema.upgrade(connection, "here", version=3, steps={1: step(1), 2: step(2)})
    with engine.begin() as connection:
        schema.upgrade(connection, "here", version=3, steps={})
        assert connection.exec_driver_sql("SELECT version FROM schema_version").all() == [(3,)]
    assert done == [1, 2]


async def test_a_database_of_the_first_schema_is_opened_with_what_is_in_it(store: SqlStore, tmp_path: Path, nouns):
    await store.save([nouns.run("r-1", state="ended")])
    await store.close()
    with sqlite3.connect(tmp_path / "store.sqlite") as database:
        database.executescript(
            "DROP TABLE pruned; ALTER TABLE tokens DROP COLUMN node; UPDATE schema_version SET version = 1;"
        )
    database.close()
    again = SqlStore(tmp_path / "store.sqlite")
    await again.open()
    await again.prune([RunId("r-1")], 9.0)
    assert await again.pruned_runs(9) == ["r-1"]
    await again.close()


# ---- saving ------------------------------------------------------------------------------------------


async def test_when_the_database_refuses_one_noun_the_others_are_not_stored_either(store: SqlStore, nouns):
    with pytest.raises(StoreError):
        await store.save([nouns.run(), replace(nouns.worker, pid=2**70)])
    assert await store.runs() == []


def limit_pages(connection: Connection, pages: int) -> None:
    with connection.begin():
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")


async def test_a_full_disk_is_an_error_that_stores_nothing_and_passes(store: SqlStore, nouns):
    await store.save([nouns.run("r-0")])
    await store._writer.do(lambda connection: limit_pages(connection, 1))
    big = replace(nouns.run("r-1"), why="x" * 1_000_000)
    with pytest.raises(DiskFull, match=r"no room for .*store\.sqlite: free some space on its disk \([\d,]+ bytes"):
        await store.save([nouns.session(), big])
    assert [run.id for run in await store.runs()] == ["r-0"]
    assert await store.sessions() == []
    await store._writer.do(lambda connection: limit_pages(connection, 1_000_000))
    await store.save([big])
    assert await store.run(RunId("r-1")) == big


async def test_a_waiting_crowd_shares_one_or_two_fsyncs(store: SqlStore, nouns, monkeypatch):
    synced = []
    really = os.fdatasync

    def count(fd: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{fd}"))
        really(fd)

    monkeypatch.setattr(os, "fdatasync", count)
    await store.save([nouns.run()])
    await asyncio.gather(*(store.flush() for _ in range(100)))
    assert 1 <= len(synced) <= 2
    assert {Path(path).name for path in synced} == {"store.sqlite-wal"}


async def test_a_flush_asked_for_during_an_fsync_waits_for_the_next_one(store: SqlStore, nouns, monkeypatch):
    began, let_go = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    really, count = os.fdatasync, 0

    def slow(fd: int) -> None:
        nonlocal count
        count += 1
        loop.call_soon_threadsafe(began.set)
        asyncio.run_coroutine_threadsafe(let_go.wait(), loop).result()
        really(fd)

    monkeypatch.setattr(os, "fdatasync", slow)
    first = asyncio.create_task(store.flush())
    await began.wait()
    await store.save([nouns.run()])  # a save does not wait for the fsync
    later = asyncio.create_task(store.flush())
    let_go.set()
    await first
    await later
    assert count == 2


async def test_what_was_flushed_is_in_the_files_as_a_power_cut_would_leave_them(store: SqlStore, tmp_path, nouns):
    await store.save([nouns.run()])
    await store.flush()
    copy = tmp_path / "copy"
    copy.mkdir()
    # The shared-memory index is left out: recovery must make do with the database and the WAL.
    for name in ("store.sqlite", "store.sqlite-wal"):
        (copy / name).write_bytes((tmp_path / name).read_bytes())
    found = SqlStore(copy / "store.sqlite")
    await found.open()
    assert await found.runs() == [nouns.run()]
    await found.close()


async def test_the_wal_does_not_grow_for_ever(store: SqlStore, tmp_path: Path, nouns, monkeypatch):
    monkeypatch.setattr("farcell_executor.store.sql._CHECK_EVERY", 4)
    monkeypatch.setattr("farcell_executor.store.sql._CHECKPOINT_BYTES", 100_000)
    for number in range(400):
        await store.save([nouns.run(f"r-{number % 10}", created=number)])
        if store._checkpoint is not None:
            await store._checkpoint
    assert (tmp_path / "store.sqlite-wal").stat().st_size < 1_000_000


# ---- kill -9 -----------------------------------------------------------------------------------------

WRITER = """
import asyncio, sys
from pathlib import Path
from dataclasses import replace
from farcell_executor.model import Run, RunState, Session, SessionState
from farcell_executor.store.sql import SqlStore
from farcell_protocol.messages.api import Interpreter, RunRequest

async def main():
    store = SqlStore(Path(sys.argv[1]))
    await store.open()
    for number in range(int(sys.argv[2]), 1_000_000):
        name = f"{number:07}"
        request = RunRequest(run="r" + name, payload=b"p" * 3000, python=Interpreter("python", "3.11"))
        run = Run("r" + name, "ada", "s", request, RunState.QUEUED, float(number), why=name)
        session = Session("s", "ada", "k", "", "", "any", "3.11", False, 1.0, SessionState.READY, 0.0, why=name)
        await store.save([run, session])
        print(number, flush=True)

asyncio.run(main())
"""


def save_until_killed(path: Path, start: int, after: int) -> int:
    """The last number whose save had returned when the writer was killed, somewhere in the next ones."""
    command = [sys.executable, "-c", WRITER, str(path), str(start)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(after):
            assert writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split("\n")
        writer.wait()
    complete = [line for line in rest[:-1] if line]
    return int(complete[-1]) if complete else start + after - 1


async def test_kill_9_in_the_middle_of_saving_loses_no_save_that_returned_and_keeps_no_half(tmp_path: Path):
    path = tmp_path / "store.sqlite"
    chance = random.Random(4711)
    start = 0
    for _ in range(6):
        last = save_until_killed(path, start, chance.randint(1, 60))
        store = SqlStore(path)
        await store.open()
        runs, sessions = await store.runs(limit=1_000_000), await store.sessions()
        await store.close()
        numbers = [int(run.why) for run in runs]
        assert numbers == list(range(len(runs)))
        assert numbers[-1] in (last, last + 1)
        assert sessions[0].why == runs[-1].why
        assert all(run.request.payload == b"p" * 3000 for run in runs)
        start = len(runs)
