"""What every store promises about removing what is old: line 8 of `store/base.py`."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from farcell_executor.model import PrunedRun, WorkerState
from farcell_executor.store.base import Store
from farcell_executor.store.memory import MemoryStore
from farcell_executor.store.sql import SqlStore
from farcell_protocol.ids import RunId


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else SqlStore(tmp_path / "store.sqlite")
    await made.open()
    yield made
    await made.close()


async def test_pruning_removes_ended_runs_only_and_remembers_whose_they_were(store: Store, nouns):
    ended = replace(nouns.run("r-1", state="ended"), ended=5.0)
    await store.save([ended, nouns.run("r-2"), nouns.run("r-3", state="ended", owner="bob")])
    assert await store.ended_runs(10) == [("r-1", 5.0), ("r-3", 1.0)]
    await store.prune([RunId("r-1"), RunId("r-2"), RunId("r-9")], 100.0)
    assert [run.id for run in await store.runs()] == ["r-2", "r-3"]
    assert await store.run(RunId("r-1")) is None
    assert await store.pruned(RunId("r-1")) == PrunedRun(RunId("r-1"), "ada", 5.0, 100.0)
    for there in ("r-2", "r-3", "r-9"):
        assert await store.pruned(RunId(there)) is None
    assert await store.ended_runs(10) == [("r-3", 1.0)]


async def test_many_runs_are_pruned_and_the_last_are_listed(store: Store, nouns):
    runs = [nouns.run(f"r-{number:04}", created=number, state="ended") for number in range(500)]
    await store.save(runs)
    assert [run for run, _ in await store.ended_runs(3)] == ["r-0000", "r-0001", "r-0002"]
    await store.prune([run.id for run in runs], 9.0)
    await store.prune([run.id for run in runs], 10.0)
    assert await store.runs() == []
    assert await store.pruned_runs(2) == ["r-0498", "r-0499"]


async def test_old_sessions_go_and_their_workers_with_them(store: Store, nouns):
    old = replace(nouns.session("s-1", state="ended"), ended=10.0)
    new = replace(nouns.session("s-2", state="ended"), ended=20.0)
    await store.save([old, new, nouns.session("s-3")])
    gone = replace(nouns.worker, state=WorkerState.GONE)
    workers = [replace(gone, id=f"w-{name}", session=f"s-{name}") for name in (1, 2, 3)]
    alive = replace(nouns.worker, id="w-4", session="s-1")
    await store.save([*workers, alive])
    await store.prune_sessions(20.0)
    assert [session.id for session in await store.sessions()] == ["s-2", "s-3"]
    assert [worker.id for worker in await store.workers(alive=False)] == ["w-2", "w-3", "w-4"]
