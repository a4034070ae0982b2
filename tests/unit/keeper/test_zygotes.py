"""Zygotes that work, die, refuse and lie: the worker is started all the same, once, and its report says how."""

from collections.abc import Callable

import msgspec
import pytest

from farcell_keeper.zygotes import pause_s
from farcell_protocol.messages import keeping as k
from tests.fakes.keeper_agent import Agent, KeeperProcess
from tests.fakes.waiting import eventually

Start = Callable[..., KeeperProcess]


def test_workers_of_one_interpreter_come_from_one_zygote(keeper: KeeperProcess, spec: k.ProcessSpec) -> None:
    agent = keeper.agent()
    agent.send(k.WarmUp(spec.interpreter), k.WarmUp(spec.interpreter))
    reports = [agent.ready(agent.launch(spec)) for _ in range(3)]
    assert [(report.started_by, report.fallback) for report in reports] == [("fork", "")] * 3
    # A zygote, and a supervisor with a main process for each.
    assert len(keeper.below()) == 1 + 3 * 2


@pytest.mark.parametrize(
    ("manner", "why"),
    [
        ("dies", "left with exit code 1: cannot warm up: no such kernel"),
        ("garbage", "sent what is no message"),
        ("dies forking", "the zygote died while forking it"),
        ("refuses", "it has 2 threads"),
    ],
)
def test_without_a_good_zygote_the_worker_is_a_fresh_process(
    start_keeper: Start, spec: k.ProcessSpec, manner: str, why: str
) -> None:
    keeper = start_keeper({"SMALL_ZYGOTE": manner})
    agent = keeper.agent()
    workers = [agent.launch(spec), agent.launch(spec)]
    runs = [agent.execute(worker, ["tell", "pid"]) for worker in workers]
    for worker, run in zip(workers, runs, strict=True):
        report = agent.ready(worker)
        assert report.started_by == "fresh"
        assert why in report.fallback
        assert agent.ended(run).text == str(report.pid)
        assert len(agent.runs[run].frames) == 2


def test_a_worker_whose_zygote_died_before_it_could_name_it_is_adopted(
    start_keeper: Start, spec: k.ProcessSpec
) -> None:
    keeper = start_keeper({"SMALL_ZYGOTE": "dies after forking"})
    agent = keeper.agent()
    worker = agent.launch(spec)
    run = agent.execute(worker, ["say", "x"], ["leave", 4])
    assert agent.ended(run).reason.fields == {"exit_code": 4}
    assert agent.workers[worker].started_by == "fork"
    agent.exited(worker)
    eventually(lambda: keeper.below() == [], "nothing is left")


def test_a_zygote_that_keeps_dying_is_not_started_for_every_worker(start_keeper: Start, spec: k.ProcessSpec) -> None:
    keeper = start_keeper({"SMALL_ZYGOTE": "dies"})
    agent = keeper.agent()
    for _ in range(8):
        agent.ended(agent.execute(agent.launch(spec), ["say", "x"]))
    assert keeper.log.count("\ncannot warm up") < 5


def test_the_pause_before_another_try_doubles_up_to_a_minute() -> None:
    assert [pause_s(n) for n in (0, 1, 2, 3, 8, 9, 10_000)] == [0, 0.5, 1, 2, 60, 60, 60]


@pytest.mark.parametrize("interpreter", ["/no/such/python", "/", "python", "", "/bin/\0x"])
def test_an_interpreter_that_cannot_be_executed_is_named(agent: Agent, spec: k.ProcessSpec, interpreter: str) -> None:
    worker = agent.launch(msgspec.structs.replace(spec, interpreter=interpreter))
    run = agent.execute(worker, ["say", "never"])
    exit = agent.exited(worker)
    assert exit.error.code == "worker-not-started"
    assert "cannot be executed" in exit.error.message
    assert (agent.ended(run).end.outcome, agent.ended(run).reason) == ("lost", exit.error)


def test_an_interpreter_that_is_no_python_is_quoted(agent: Agent, spec: k.ProcessSpec, tmp_path_factory) -> None:  # type: ignore[no-untyped-def]
    program = tmp_path_factory.mktemp("x") / "python"
    program.write_text("#!/bin/sh\necho this is no python >&2\nexit 9\n")
    program.chmod(0o755)
    worker = agent.launch(msgspec.structs.replace(spec, interpreter=str(program)))
    error = agent.exited(worker).error
    assert error.code == "worker-not-started"
    assert "left with exit code 9" in error.message
    assert "this is no python" in error.message


@pytest.mark.parametrize(
    ("manner", "words"),
    [("dies", "no module named torch"), ("fails", "no kernel here")],
)
def test_a_fresh_process_that_fails_says_why(start_keeper: Start, spec: k.ProcessSpec, manner: str, words: str) -> None:
    agent = start_keeper({"SMALL_ZYGOTE": "refuses"}).agent()
    worker = agent.launch(msgspec.structs.replace(spec, env={"SMALL_WORKER": manner}))
    error = agent.exited(worker).error
    assert error.code == "worker-not-started"
    assert words in error.message
