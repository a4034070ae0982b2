"""What every store promises: the numbered lines of `store/base.py`, one after the other."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from farcell_executor.model import NodeState, Run, RunState, SessionState, WorkerState
from farcell_executor.store.base import Noun, Store
from farcell_executor.store.memory import MemoryStore
from farcell_executor.store.sql import SqlStore
from farcell_protocol.errors import ErrorInfo
from farcell_protocol.ids import RunId, SessionId, TokenId


def make(kind: str, folder: Path) -> Store:
    return MemoryStore() if kind == "memory" else SqlStore(folder / "store.sqlite")


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = make(request.param, tmp_path)
    await store.open()
    yield store
    await store.close()


def without_payload(run: Run) -> Run:
    return replace(run, request=msgspec.structs.replace(run.request, payload=b""))


# ---- every noun comes back as it was ---------------------------------------------------------------


async def test_every_field_of_every_noun_comes_back(store: Store, nouns):
    run, session = nouns.run(), nouns.session()
    await store.save([run, session, nouns.worker, nouns.node])
    await store.save_token(nouns.token)
    assert await store.run(run.id) == run
    assert await store.session(session.id) == session
    assert await store.workers() == [nouns.worker]
    assert await store.nodes() == [nouns.node]
    assert await store.token(nouns.token.id) == nouns.token


async def test_workers_and_nodes_are_found_by_id_though_they_are_gone(store: Store, nouns):
    gone = [replace(nouns.worker, id=f"w-{n}", state=WorkerState.GONE) for n in range(1200)]
    node = replace(nouns.node, state=NodeState.GONE)
    await store.save([*gone, node])
    asked = [worker.id for worker in gone[:1100]]
    assert sorted(worker.id for worker in await store.find_workers([*asked, "w-unknown"])) == sorted(asked)
    assert await store.find_workers([]) == []
    assert await store.find_nodes([node.id, "n-unknown"]) == [node]


async def test_what_was_never_saved_is_none(store: Store):
    assert await store.run(RunId("r-0")) is None
    assert await store.session(SessionId("s-0")) is None
    assert await store.token(TokenId("t-0")) is None
    assert await store.runs() == []
    assert await store.nodes() == []


# ---- 1. save is atomic -----------------------------------------------------------------------------


async def test_all_nouns_of_a_save_are_there_after_it(store: Store, nouns):
    await store.save([nouns.run("r-1"), nouns.run("r-2"), nouns.session("s-1"), nouns.session("s-2")])
    assert [run.id for run in await store.runs()] == ["r-1", "r-2"]
    assert [session.id for session in await store.sessions()] == ["s-1", "s-2"]


async def test_after_a_failed_save_none_of_its_nouns_is_there(store: Store, nouns):
    await store.save([nouns.run("r-1", state="queued")])
    with pytest.raises(TypeError):
        await store.save([nouns.run("r-1"), nouns.session(), "no noun"])  # type: ignore[list-item]
    assert await store.runs() == [nouns.run("r-1", state="queued")]
    assert await store.sessions() == []


async def test_a_store_goes_on_after_a_failed_save(store: Store, nouns):
    with pytest.raises(TypeError):
        await store.save(["no noun"])  # type: ignore[list-item]
    await store.save([nouns.run()])
    assert await store.runs() == [nouns.run()]


async def test_saving_nothing_is_no_error(store: Store):
    await store.save([])


async def test_any_iterable_can_be_saved(store: Store, nouns):
    def one_after_the_other() -> Iterator[Noun]:
        yield nouns.run()
        yield nouns.session()

    await store.save(one_after_the_other())
    assert len(await store.runs()) == len(await store.sessions()) == 1


# ---- 2. save replaces ------------------------------------------------------------------------------


async def test_a_saved_noun_replaces_the_one_with_its_id(store: Store, nouns):
    await store.save([nouns.run(state="queued"), nouns.session(), nouns.worker, nouns.node])
    reason = ErrorInfo("cancelled", "somebody")
    run = replace(nouns.run(), state=RunState.RUNNING, why="", outcome="cancelled", reason=reason, force_at=None)
    session = replace(nouns.session(), idle_since=None, why="new")
    worker = replace(nouns.worker, state=WorkerState.STOPPING, devices=(), reason=None)
    node = replace(nouns.node, devices=(), boot_id="another", state=NodeState.UNKNOWN)
    await store.save([run, session, worker, node])
    assert await store.runs() == [run]
    assert await store.sessions() == [session]
    assert await store.workers() == [worker]
    assert await store.nodes() == [node]


async def test_saving_the_same_twice_is_as_saving_it_once(store: Store, nouns):
    everything = [nouns.run(), nouns.session(), nouns.worker, nouns.node]
    await store.save(everything)
    await store.save(everything + everything)
    assert await store.runs() == [nouns.run()]
    assert await store.sessions() == [nouns.session()]
    assert await store.workers() == [nouns.worker]
    assert await store.nodes() == [nouns.node]


async def test_of_one_noun_twice_in_a_save_the_last_is_kept(store: Store, nouns):
    await store.save([nouns.run(state="queued"), nouns.run(state="running")])
    assert await store.runs() == [nouns.run(state="running")]


async def test_a_changed_token_replaces_the_old_one(store: Store, nouns):
    await store.save_token(nouns.token)
    revoked = replace(nouns.token, revoked=5.0)
    await store.save_token(revoked)
    assert await store.token(nouns.token.id) == revoked
    assert await store.tokens() == [revoked]


# ---- 3. what was saved survives, where the store says so ---------------------------------------------


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_a_durable_store_has_everything_when_opened_again(kind: str, tmp_path: Path, nouns):
    store = make(kind, tmp_path)
    await store.open()
    await store.save([nouns.run(), nouns.session(), nouns.worker, nouns.node])
    await store.save_token(nouns.token)
    await store.close()
    again = make(kind, tmp_path)
    await again.open()
    found = [
        await again.runs(),
        await again.sessions(),
        await again.workers(),
        await again.nodes(),
        await again.tokens(),
    ]
    await again.close()
    everything = [[nouns.run()], [nouns.session()], [nouns.worker], [nouns.node], [nouns.token]]
    assert found == (everything if store.durable else [[], [], [], [], []])


# ---- 4. flush --------------------------------------------------------------------------------------


async def test_flush_returns_with_nothing_saved_and_with_something(store: Store, nouns):
    await store.flush()
    await store.save([nouns.run()])
    await store.flush()
    assert await store.runs() == [nouns.run()]


async def test_many_may_wait_for_a_flush_while_others_save(store: Store, nouns):
    async def save_and_flush(number: int) -> None:
        await store.save([nouns.run(f"r-{number}", created=number)])
        await store.flush()

    await asyncio.gather(*(save_and_flush(number) for number in range(50)))
    assert len(await store.runs()) == 50


async def test_a_waiter_that_is_cancelled_takes_no_other_with_it(store: Store, nouns):
    await store.save([nouns.run()])
    begun = asyncio.Event()

    async def flush() -> None:
        begun.set()  # nobody else runs between this and the waiting
        await store.flush()

    first, second = asyncio.create_task(flush()), asyncio.create_task(store.flush())
    await begun.wait()
    first.cancel()
    await second
    await asyncio.gather(first, return_exceptions=True)
    await store.flush()


# ---- 5. reads --------------------------------------------------------------------------------------


async def test_reads_see_every_save_that_returned_before(store: Store, nouns):
    for number in range(100):
        run = nouns.run(f"r-{number}", created=number)
        await store.save([run])
        assert await store.run(run.id) == run


async def test_lists_are_ordered_by_creation_oldest_first(store: Store, nouns):
    await store.save([nouns.run("r-b", created=2), nouns.session("s-b", created=2)])
    await store.save([nouns.run("r-c", created=3), nouns.session("s-c", created=3)])
    await store.save([nouns.run("r-a", created=1), nouns.session("s-a", created=1)])
    await store.save([replace(nouns.worker, id="w-2", created=2.0), replace(nouns.worker, id="w-1", created=1.0)])
    assert [run.id for run in await store.runs()] == ["r-a", "r-b", "r-c"]
    assert [session.id for session in await store.sessions()] == ["s-a", "s-b", "s-c"]
    assert [worker.id for worker in await store.workers()] == ["w-1", "w-2"]


async def test_what_was_made_in_one_instant_keeps_the_order_of_its_first_saving(store: Store, nouns):
    names = ["r-z", "r-a", "r-m"]
    for name in names:
        await store.save([nouns.run(name)])
    await store.save([nouns.run("r-z", state="queued")])
    assert [run.id for run in await store.runs()] == names


async def test_limit_keeps_the_newest(store: Store, nouns):
    await store.save([nouns.run(f"r-{number}", created=number) for number in range(5)])
    await store.save([nouns.session(f"s-{number}", created=number) for number in range(5)])
    assert [run.id for run in await store.runs(limit=2)] == ["r-3", "r-4"]
    assert [session.id for session in await store.sessions(limit=2)] == ["s-3", "s-4"]


async def test_lists_can_be_of_one_owner(store: Store, nouns):
    await store.save([nouns.run("r-1", owner="ada"), nouns.run("r-2", owner="bob")])
    await store.save([nouns.session("s-1", owner="ada"), nouns.session("s-2", owner="bob")])
    assert [run.id for run in await store.runs("bob")] == ["r-2"]
    assert [session.id for session in await store.sessions("bob")] == ["s-2"]
    assert await store.runs("eve") == []


async def test_what_has_ended_can_be_left_out(store: Store, nouns):
    await store.save([nouns.run("r-1"), nouns.run("r-2", state="ended")])
    await store.save([nouns.session("s-1"), nouns.session("s-2", state="ended")])
    await store.save([nouns.worker, replace(nouns.worker, id="w-2", state=WorkerState.GONE)])
    assert [run.id for run in await store.runs(unfinished=True)] == ["r-1"]
    assert [session.id for session in await store.sessions(alive=True)] == ["s-1"]
    assert [worker.id for worker in await store.workers()] == ["w-1"]
    assert [worker.id for worker in await store.workers(alive=False)] == ["w-1", "w-2"]


async def test_a_node_that_was_given_up_is_not_listed(store: Store, nouns):
    await store.save([nouns.node, replace(nouns.node, id="n-2", state=NodeState.UNKNOWN)])
    await store.save([replace(nouns.node, state=NodeState.GONE)])
    assert [node.id for node in await store.nodes()] == ["n-2"]


async def test_tokens_are_listed_oldest_first_revoked_ones_too(store: Store, nouns):
    await store.save_token(replace(nouns.token, id="t-2", created=2.0, revoked=3.0))
    await store.save_token(nouns.token)
    assert [token.id for token in await store.tokens()] == ["t-1", "t-2"]


# ---- 6. at the same time -----------------------------------------------------------------------------


async def test_saves_and_reads_may_happen_at_the_same_time(store: Store, nouns):
    async def one(number: int) -> None:
        await store.save([nouns.run(f"r-{number}", created=number), nouns.session(f"s-{number}", created=number)])
        runs, sessions = await store.runs(), await store.sessions()
        assert f"r-{number}" in {run.id for run in runs}
        # Runs were read first, so every session saved with one of them must be seen.
        assert {run.id[2:] for run in runs} <= {session.id[2:] for session in sessions}

    await asyncio.gather(*(one(number) for number in range(40)))


async def test_saves_of_one_noun_take_effect_in_the_order_they_were_asked_for(store: Store, nouns):
    states = [nouns.session(), replace(nouns.session(), why="second"), replace(nouns.session(), why="third")]
    await asyncio.gather(*(store.save([session]) for session in states))
    assert await store.sessions() == [states[-1]]


async def test_a_store_may_be_closed_twice(store: Store):
    await store.close()
    await store.close()


# ---- 7. payloads -----------------------------------------------------------------------------------


async def test_a_payload_is_kept_until_the_run_has_ended(store: Store, nouns):
    queued = nouns.run(state="queued")
    await store.save([queued])
    await store.save([replace(queued, state=RunState.STARTING)])
    found = await store.run(queued.id)
    assert found is not None
    assert found.request.payload == queued.request.payload
    ended = nouns.run(state="ended")
    await store.save([ended])
    assert await store.run(queued.id) == without_payload(ended)
    assert await store.runs() == [without_payload(ended)]


async def test_an_empty_payload_stays_empty(store: Store, nouns):
    run = without_payload(nouns.run())
    await store.save([run])
    assert await store.run(run.id) == run


async def test_a_run_that_ends_in_the_save_that_makes_it_keeps_no_payload(store: Store, nouns):
    await store.save([nouns.run(state="queued"), nouns.run(state="ended")])
    assert await store.run(RunId("r-1")) == without_payload(nouns.run(state="ended"))


async def test_states_come_back_as_states(store: Store, nouns):
    await store.save([nouns.run(), nouns.session()])
    run, session = await store.run(RunId("r-1")), await store.session(SessionId("s-1"))
    assert run is not None
    assert session is not None
    assert run.state is RunState.RUNNING
    assert session.state is SessionState.READY
    assert session.once is True
