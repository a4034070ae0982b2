"""Workers as the agent sees them: started, given work, interrupted, stopped, dying in every way."""

import base64
import os
import signal

import pytest

from farcell_protocol.errors import Cancelled
from farcell_protocol.frames import End
from farcell_protocol.ids import new_tell_id, new_worker_id
from farcell_protocol.messages import keeping as k
from tests.fakes.keeper_agent import Agent, KeeperProcess
from tests.fakes.waiting import eventually, is_running


@pytest.fixture
def worker(agent: Agent, spec: k.ProcessSpec) -> str:
    return agent.launch(spec)


def test_a_worker_has_the_folder_and_environment_asked_for(agent: Agent, worker: str) -> None:
    run = agent.execute(worker, ["tell", "cwd"], ["say", " "], ["tell", "env"])
    assert agent.ended(run).text == "/ hello"
    assert agent.ended(run).end == End("ok")


def test_work_for_a_worker_that_still_starts_is_done_when_it_is_ready(agent: Agent, worker: str) -> None:
    first = agent.execute(worker, ["say", "first"])
    second = agent.execute(worker, ["say", "second"])
    assert agent.ended(second).text == "second"
    assert agent.ended(first).text == "first"
    assert agent.order == ["ready", "end", "end"]


def test_the_worker_is_named_by_the_pid_that_the_host_sees(agent: Agent, worker: str) -> None:
    report = agent.ready(worker)
    run = agent.execute(worker, ["tell", "pid"])
    assert agent.ended(run).text == str(report.pid)
    with open(f"/proc/{report.pid}/stat") as stat:
        assert report.start_ticks == int(stat.read().rpartition(")")[2].split()[19])


def test_an_id_is_launched_and_executed_once(agent: Agent, keeper: KeeperProcess, spec: k.ProcessSpec) -> None:
    worker = agent.launch(spec)
    run = agent.execute(worker, ["tell", "pid"])
    agent.ended(run)
    before = keeper.below()
    agent.send(k.Launch(worker, spec), k.Execute(worker, run, b'[["leave", 1]]'))
    agent.ended(agent.execute(worker, ["say", "still here"]))
    assert keeper.below() == before
    assert len(agent.runs[run].frames) == 2


@pytest.mark.parametrize(
    ("step", "code", "fields"),
    [
        (["leave", 3], "worker-exited", {"exit_code": 3}),
        (["leave", 0], "worker-exited", {"exit_code": 0}),
        (["signal_self", signal.SIGSEGV], "worker-killed", {"signal": 11, "signal_name": "SIGSEGV"}),
        (["signal_self", signal.SIGKILL], "worker-killed", {"signal": 9, "signal_name": "SIGKILL"}),
    ],
)
def test_a_run_whose_worker_dies_ends_with_how(
    agent: Agent, worker: str, step: list[object], code: str, fields: dict[str, object]
) -> None:
    run = agent.execute(worker, ["lines", 100, 1000], step)
    waiting = agent.execute(worker, ["say", "never"])
    exit = agent.exited(worker)
    got = agent.ended(run)
    assert len(got.frames) == 101
    assert (got.end.outcome, got.reason.code, got.reason.fields) == ("lost", code, fields)
    assert agent.ended(waiting).frames == [got.end]
    assert (exit.error, exit.expected) == (got.reason, False)
    assert agent.order == ["ready", "end", "end", "exited"]


def test_a_worker_killed_from_outside_ends_its_run(agent: Agent, worker: str) -> None:
    run = agent.execute(worker, ["wait"])
    agent.said(run, "waiting")
    os.kill(agent.workers[worker].pid or 0, signal.SIGKILL)
    assert agent.ended(run).reason.fields["signal_name"] == "SIGKILL"


def test_a_supervisor_that_is_killed_takes_its_worker_along(
    agent: Agent, keeper: KeeperProcess, spec: k.ProcessSpec
) -> None:
    worker = agent.launch(spec)
    run = agent.execute(worker, ["grandchild"], ["kill_supervisor"])
    got = agent.ended(run)
    assert got.reason.code == "worker-killed"
    assert "watched over" in got.reason.message
    pid = agent.workers[worker].pid or 0
    agent.exited(worker)
    assert not is_running(pid)
    eventually(lambda: not is_running(int(got.text)), "the grandchild has ended")


def test_work_for_a_worker_that_has_ended_is_lost_and_says_so(agent: Agent, worker: str) -> None:
    agent.execute(worker, ["leave", 3])
    agent.exited(worker)
    run = agent.execute(worker, ["say", "never"])
    got = agent.ended(run)
    assert (got.end.outcome, got.reason.code) == ("lost", "session-ended")
    assert "exit code 3" in got.reason.message


def test_a_grandchild_that_holds_the_socket_open_delays_nothing(
    agent: Agent, keeper: KeeperProcess, worker: str
) -> None:
    run = agent.execute(worker, ["grandchild"], ["leave", 3])
    assert agent.ended(run).reason.code == "worker-exited"
    agent.exited(worker)
    os.kill(int(agent.runs[run].text), signal.SIGKILL)


def test_an_interrupt_reaches_the_run_that_executes(agent: Agent, worker: str) -> None:
    run = agent.execute(worker, ["until_interrupted"])
    agent.said(run, "waiting")
    agent.send(k.SendInterrupt(worker, run))
    assert agent.ended(run).text == "waitinginterrupted"


def test_an_interrupt_for_a_run_that_waits_reaches_it_when_it_has_begun_and_no_other(agent: Agent, worker: str) -> None:
    first = agent.execute(worker, ["until_interrupted"])
    waiting = agent.execute(worker, ["until_interrupted"], ["say", " once"])
    agent.send(k.SendInterrupt(worker, waiting), k.SendInterrupt(worker, waiting))
    agent.said(first, "waiting")
    agent.send(k.SendInterrupt(worker, first))
    assert agent.ended(waiting).text == "waitinginterrupted once"
    assert agent.ended(first).text == "waitinginterrupted"


def test_what_runs_aside_is_told_things_and_holds_no_cell_up(agent: Agent, worker: str) -> None:
    aside = agent.execute(worker, aside=True)
    cell = agent.execute(worker, ["until_interrupted"])
    agent.said(cell, "waiting")
    agent.send(k.Tell(worker, aside, new_tell_id(), b"something"), k.SendInterrupt(worker, aside))
    assert agent.greet().workers[0].running == cell
    agent.send(k.Resume(cell, 0), k.Resume(aside, 0), k.SendInterrupt(worker, cell))
    assert agent.said(aside, "told").text == "told something"
    assert agent.ended(cell).text == "waitinginterrupted"
    agent.send(k.Stop(worker, 0, None))
    assert agent.ended(aside).end.outcome == "lost"


def test_what_a_run_is_told_that_is_not_there_is_dropped(agent: Agent, worker: str) -> None:
    ended = agent.execute(worker, ["say", "done"])
    agent.ended(ended)
    agent.send(k.Tell(worker, ended, new_tell_id(), b""), k.Tell(new_worker_id(), ended, new_tell_id(), b""))
    assert agent.ended(agent.execute(worker, ["say", "alive"])).text == "alive"
    assert not agent.refused


def test_an_interrupt_for_a_run_that_has_ended_does_nothing(agent: Agent, worker: str) -> None:
    ended = agent.execute(worker, ["say", "done"])
    agent.ended(ended)
    run = agent.execute(worker, ["until_interrupted"])
    agent.said(run, "waiting")
    agent.send(k.SendInterrupt(worker, ended), k.SendInterrupt(worker, ended), k.SendInterrupt(worker, run))
    assert agent.ended(run).text == "waitinginterrupted"
    assert not agent.refused


def test_an_interrupt_that_comes_before_the_worker_is_ready_is_kept(agent: Agent, spec: k.ProcessSpec) -> None:
    worker = agent.launch(spec)
    run = agent.execute(worker, ["until_interrupted"])
    agent.send(k.SendInterrupt(worker, run))
    assert agent.ended(run).text == "waitinginterrupted"


def test_an_interrupt_reaches_children_but_neither_the_supervisor_nor_who_left_the_group(
    agent: Agent, worker: str
) -> None:
    run = agent.execute(worker, ["children"], ["until_interrupted"], ["reap"])
    agent.said(run, "waiting")
    agent.send(k.SendInterrupt(worker, run))
    assert agent.ended(run).text == "waitinginterruptedgroup: 2 session: alive"
    assert agent.ended(agent.execute(worker, ["say", "alive"])).text == "alive"


def test_a_stop_ends_the_worker_with_the_reason_given(agent: Agent, worker: str) -> None:
    run = agent.execute(worker, ["wait"])
    agent.said(run, "waiting")
    reason = Cancelled("somebody stopped it").info()
    agent.send(k.Stop(worker, 10, reason))
    got, exit = agent.ended(run), agent.exited(worker)
    assert (got.end.outcome, got.reason) == ("cancelled", reason)
    assert (exit.expected, exit.signal) == (True, signal.SIGTERM)


def test_code_that_ignores_signals_is_killed_after_the_grace(agent: Agent, keeper: KeeperProcess, worker: str) -> None:
    run = agent.execute(worker, ["ignore_signals"], ["wait"])
    agent.said(run, "waiting")
    agent.send(k.SendInterrupt(worker, run), k.Stop(worker, 3600, None), k.Stop(worker, 0.05, None))
    assert agent.ended(run).reason.code == "session-ended"
    assert agent.exited(worker).signal == signal.SIGKILL
    assert len(keeper.below()) == 1  # the zygote


def test_the_shortest_grace_of_several_stops_holds(agent: Agent, worker: str) -> None:
    run = agent.execute(worker, ["ignore_signals"], ["wait"])
    agent.said(run, "waiting")
    agent.send(k.Stop(worker, 0.1, None), k.Stop(worker, 3600, None), k.Stop(worker, float("inf"), None))
    assert agent.exited(worker).expected


def test_a_stop_without_grace_kills_the_whole_tree(agent: Agent, worker: str) -> None:
    run = agent.execute(worker, ["grandchild"], ["wait"])
    grandchild = int(agent.said(run, "waiting").text.removesuffix("waiting"))
    agent.send(k.Stop(worker, 0, None))
    agent.exited(worker)
    eventually(lambda: not is_running(grandchild), "the grandchild has ended")


def test_a_worker_is_stopped_before_it_ever_ran(agent: Agent, keeper: KeeperProcess, spec: k.ProcessSpec) -> None:
    worker = agent.launch(spec)
    run = agent.execute(worker, ["say", "never"])
    agent.send(k.Stop(worker, float("nan"), None))
    assert agent.exited(worker).expected
    assert agent.ended(run).end.outcome == "lost"
    eventually(lambda: len(keeper.below()) == 1, "only the zygote is left")


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (["send_bytes", base64.b64encode(b"\xff" * 100).decode()], "no message"),
        (["send_bytes", base64.b64encode(b"\0\0\0\3abc").decode()], "no message"),
        (["skip_number"], "came where 2 was due"),
        (["close_socket"], "closed its connection"),
    ],
)
def test_a_worker_that_breaks_its_connection_is_ended(agent: Agent, worker: str, step: list[str], text: str) -> None:
    run = agent.execute(worker, ["say", "fine"], step, ["say", "x"], ["wait"])
    other = agent.launch(agent.ready(worker).spec)
    got = agent.ended(run)
    assert got.text == "fine"
    assert got.reason.code == "worker-killed"
    assert text in got.reason.message
    assert agent.ended(agent.execute(other, ["say", "unharmed"])).text == "unharmed"


def test_two_hundred_workers_leave_nothing_behind(agent: Agent, keeper: KeeperProcess, spec: k.ProcessSpec) -> None:
    agent.ready(agent.launch(spec))
    before = keeper.descriptors()
    processes = len(keeper.below())
    for _ in range(10):
        workers = [agent.launch(spec) for _ in range(20)]
        runs = [agent.execute(worker, ["say", "x"], ["leave", 0]) for worker in workers]
        for worker, run in zip(workers, runs, strict=True):
            agent.exited(worker)
            agent.send(k.Ack(run, len(agent.ended(run).frames)), k.Forget(worker))
    assert len(agent.greet().workers) == 1
    eventually(lambda: keeper.descriptors() == before, "as many descriptors as before")
    assert len(keeper.below()) == processes
    assert list(keeper.places.spool.iterdir()) == []
