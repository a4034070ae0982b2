"""Old runs go, with their logs: by age, and where all logs are too much; who asks for one is told."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from farcell_executor.retention import Rules, overdue
from farcell_executor.settings import settings_from
from farcell_protocol.errors import BadRequest, Forbidden, NotFound, Pruned
from farcell_protocol.ids import RunId, new_run_id
from farcell_protocol.messages import api
from tests.fakes.far_node import FarNode, play
from tests.unit.executor.service import MovedClock, Service, request, serving, settings_for

DAY = 86400.0
RULES = Rules(keep_s=30 * DAY, keep_bytes=100)


async def ran(service: Service, size_bytes: int = 10, **more: object) -> api.RunRequest:
    """A run that has ended."""
    asked = request(play("x" * size_bytes + "\n"), **more)
    async with service.stream() as client:
        await client.say(api.Submit(asked))
        await client.until_ended(asked.run)
    await service.executor.driver.settle()
    return asked


def log_of(service: Service, asked: api.RunRequest) -> Path:
    return service.executor.settings.places.run_logs / f"{asked.run}.log"


def test_what_is_too_old_goes_and_then_the_oldest_until_the_rest_is_small_enough():
    now = 100 * DAY
    ended = [(RunId(f"r{age}"), now - age * DAY) for age in (31, 1, 20, 10, 30)]
    sizes = {RunId("r31"): 1000, RunId("r20"): 60, RunId("r10"): 60, RunId("r1"): 40}
    going = overdue(ended, sizes, sum(sizes.values()), now, RULES)
    assert going == ["r31", "r30", "r20"]
    assert overdue(ended, sizes, sum(sizes.values()), now, Rules(1000 * DAY, 10**9)) == []


def test_runs_without_output_are_no_reason_to_remove_anything_else():
    assert overdue([(RunId("r1"), 1.0), (RunId("r2"), 2.0)], {RunId("r2"): 200}, 300, 3.0, RULES) == ["r2"]


async def test_a_pruned_run_is_gone_with_its_log_and_whoever_asks_for_it_is_told(service: Service, clock: MovedClock):
    asked = await ran(service)
    clock.time += 30 * DAY - 1
    assert await service.executor.retention.prune() == []
    clock.time += 1
    assert await service.executor.retention.prune() == [asked.run]
    assert not log_of(service, asked).exists()
    assert await service.ask("GET", "/runs", list[api.RunView]) == []
    for path in (f"/runs/{asked.run}", f"/runs/{asked.run}/output"):
        with pytest.raises(Pruned, match=r"ended 30\.0 days ago .* kept for 30 days, and 10 GiB") as told:
            await service.ask("GET", path)
        assert told.value.fields["pruned"] == clock.time
    async with service.stream() as client:
        await client.say(api.Follow(asked.run))
        refusal = (await client.until_ended(asked.run)).refusal
        assert refusal is not None
        assert refusal.error.code == "pruned"
    with pytest.raises(Forbidden):
        await service.ask("GET", f"/runs/{asked.run}", token=await service.token_of("bob"))
    with pytest.raises(NotFound) as unknown:
        await service.ask("GET", f"/runs/{new_run_id()}")
    assert unknown.value.code == "not-found"


async def test_a_pruned_run_is_not_executed_when_its_request_arrives_once_more(
    tmp_path: Path, node: FarNode, clock: MovedClock
):
    settings = replace(settings_for(tmp_path), memory_store=False)
    async with serving(settings, clock=clock) as first:
        await first.join(node)
        asked = await ran(first)
        clock.time += 31 * DAY
        assert await first.executor.retention.prune() == [asked.run]
        with pytest.raises(Pruned):
            await first.ask("POST", "/runs", api.RunView, asked)
    async with serving(settings, clock=clock) as second:
        await second.join(node)
        with pytest.raises(Pruned):
            await second.ask("POST", "/runs", api.RunView, asked)
    assert node.executions == [asked.run]


async def test_neither_a_followed_run_nor_one_that_goes_on_is_pruned(
    service: Service, node: FarNode, clock: MovedClock
):
    ended = await ran(service)
    going = request(play("kept\n", hold=True), session="another")
    await service.ask("POST", "/runs", api.RunView, going)
    await service.until(lambda: going.run in node.runs)
    clock.time += 100 * DAY
    with service.executor.logs.watch(ended.run, 0, lambda: None) as reader:
        assert await service.executor.retention.prune() == []
        assert len(reader.read()) == 2
    assert await service.executor.retention.prune() == [ended.run]
    assert log_of(service, going).exists()
    node.end(going.run)
    async with service.stream() as client:
        await client.say(api.Follow(going.run))
        assert (await client.until_ended(going.run)).text == "kept\n"


async def test_the_oldest_go_when_all_logs_are_too_much(tmp_path: Path, node: FarNode, clock: MovedClock):
    settings = replace(settings_for(tmp_path), keep_logs_bytes=15_000)
    async with serving(settings, clock=clock) as service:
        await service.join(node)
        runs = []
        for _ in range(3):
            runs.append(await ran(service, 6_000))
            clock.time += 1
        assert await service.executor.retention.prune() == [runs[0].run]
        assert [log_of(service, asked).exists() for asked in runs] == [False, True, True]
        assert await service.output(runs[1].run) == b"x" * 6_000 + b"\n"


async def test_a_log_that_is_left_over_without_a_run_goes_when_it_is_old(service: Service, clock: MovedClock):
    old, young = new_run_id(), new_run_id()
    for run, age in ((old, 31), (young, 1)):
        path = service.executor.settings.places.run_logs / f"{run}.log"
        path.write_bytes(b"")
        os.utime(path, (clock.time - age * DAY,) * 2)
    (service.executor.settings.places.run_logs / "notes.txt").write_text("mine")
    await service.executor.retention.prune()
    left = {path.name for path in service.executor.settings.places.run_logs.iterdir()}
    assert left == {f"{young}.log", "notes.txt"}


def test_both_bounds_are_settings(tmp_path: Path):
    given = {"FARCELL_KEEP_DAYS": "0.5", "FARCELL_KEEP_BYTES": "1000"}
    made = settings_from(given, tmp_path, 1000, interpreter="python")
    assert (made.keep_runs_s, made.keep_logs_bytes) == (43200.0, 1000)
    usual = settings_from({}, tmp_path, 1000, interpreter="python")
    assert (usual.keep_runs_s, usual.keep_logs_bytes) == (30 * DAY, 10 * 2**30)
    with pytest.raises(BadRequest, match="number of days above 0"):
        settings_from({"FARCELL_KEEP_DAYS": "-1"}, tmp_path, 1000, interpreter="python")
