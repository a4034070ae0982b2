"""The keeper as a process: alone, private, leaving when nobody needs it, and what it finds of one that was killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from farcell_protocol.messages import keeping as k
from farcell_protocol.places import Places
from tests.fakes.keeper_agent import KeeperProcess
from tests.fakes.waiting import eventually, is_running

Start = Callable[..., KeeperProcess]


def test_a_second_keeper_refuses_and_names_the_first(keeper: KeeperProcess, places: Places) -> None:
    arguments = ["--data", str(places.data), "--runtime", str(places.runtime)]
    second = subprocess.run(
        [sys.executable, "-P", "-m", "farcell_keeper", *arguments], capture_output=True, text=True, timeout=20
    )
    assert second.returncode == 75
    assert second.stderr == f"the keeper with pid {keeper.pid} holds {places.keeper_lock}\n"
    keeper.agent()


def test_it_leaves_after_its_idle_time_and_leaves_nothing(start_keeper: Start, places: Places) -> None:
    keeper = start_keeper(idle_exit_s=0.05)
    assert keeper.wait() == 0
    assert not places.keeper_socket.exists()
    assert list(places.spool.iterdir()) == []
    assert places.keeper_lock.read_text() == ""


def test_a_worker_or_an_agent_keeps_it(start_keeper: Start, spec: k.ProcessSpec) -> None:
    keeper = start_keeper(idle_exit_s=0.05)
    agent = keeper.agent()
    worker = agent.launch(spec)
    run = agent.execute(worker, ["say", "x"])
    agent.send(k.Ack(run, len(agent.ended(run).frames)))
    agent.close()
    with pytest.raises(subprocess.TimeoutExpired):
        keeper.process.wait(0.3)
    agent = keeper.agent()
    agent.send(k.Stop(worker, 0, None))
    agent.exited(worker)
    with pytest.raises(subprocess.TimeoutExpired):
        keeper.process.wait(0.3)
    agent.close()
    assert keeper.wait() == 0


def test_output_that_nobody_has_fetched_keeps_it(start_keeper: Start, spec: k.ProcessSpec) -> None:
    keeper = start_keeper(idle_exit_s=0.05)
    agent = keeper.agent()
    worker = agent.launch(spec)
    run = agent.execute(worker, ["say", "precious"], ["leave", 0])
    agent.exited(worker)
    agent.close()
    with pytest.raises(subprocess.TimeoutExpired):
        keeper.process.wait(0.3)
    agent = keeper.agent()
    agent.send(k.Resume(run, 0))
    assert agent.ended(run).text == "precious"


def test_told_to_quit_it_waits_for_its_workers(keeper: KeeperProcess, spec: k.ProcessSpec) -> None:
    agent = keeper.agent()
    worker = agent.launch(spec)
    run = agent.execute(worker, ["until_interrupted"])
    agent.said(run, "waiting")
    agent.send(k.Quit(), k.Launch(k.WorkerId("w-000000000000"), spec))
    assert agent.refusal().error.code == "unavailable"
    agent.send(k.SendInterrupt(worker, run))
    agent.ended(run)
    agent.send(k.Stop(worker, 0, None))
    agent.exited(worker)
    assert keeper.wait() == 0


def test_told_to_quit_without_workers_it_leaves_at_once(keeper: KeeperProcess) -> None:
    keeper.agent().send(k.Quit())
    assert keeper.wait() == 0


def test_sigterm_stops_the_workers_first_and_says_so(keeper: KeeperProcess, spec: k.ProcessSpec) -> None:
    agent = keeper.agent()
    run = agent.execute(agent.launch(spec), ["wait"])
    agent.said(run, "waiting")
    keeper.process.send_signal(signal.SIGTERM)
    assert agent.ended(run).reason.code == "session-ended"
    assert keeper.wait() == 0


def test_signals_of_a_terminal_mean_nothing_to_it(keeper: KeeperProcess, spec: k.ProcessSpec) -> None:
    agent = keeper.agent()
    keeper.process.send_signal(signal.SIGINT)
    keeper.process.send_signal(signal.SIGHUP)
    run = agent.execute(agent.launch(spec), ["until_interrupted"])
    agent.said(run, "waiting")
    agent.send(k.SendInterrupt(next(iter(agent.workers)), run))
    assert agent.ended(run).text == "waitinginterrupted"


def test_it_has_its_own_session_and_no_descriptor_of_whoever_started_it(start_keeper: Start) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    keeper = start_keeper()
    os.close(writing)
    links = [os.readlink(f"/proc/{keeper.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{keeper.pid}/fd")]
    assert os.readlink(f"/proc/self/fd/{reading}") not in links
    assert os.getsid(keeper.pid) == keeper.pid
    os.close(reading)


def test_what_a_killed_keeper_left_is_cleared_by_the_next(
    start_keeper: Start, places: Places, spec: k.ProcessSpec
) -> None:
    first = start_keeper()
    agent = first.agent()
    worker = agent.launch(spec)
    run = agent.execute(worker, ["say", "x"], ["grandchild"], ["wait"])
    agent.said(run, "waiting")
    left = first.below()
    cgroup = json.loads(places.keeper_lock.read_text())["cgroup"]
    first.process.kill()
    first.wait()
    assert places.keeper_socket.exists()
    second = start_keeper()
    welcome = second.agent().greet()
    assert (welcome.pid, welcome.workers, welcome.runs) == (second.pid, [], [])
    assert list(places.spool.iterdir()) == []
    if cgroup is None:
        for pid in left:
            if is_running(pid):
                os.kill(pid, signal.SIGKILL)
        pytest.skip("no writable memory cgroup here, by which to find what a killed keeper's workers left")
    eventually(lambda: not any(map(is_running, left)), "what the killed keeper left has ended")
    eventually(lambda: not os.path.exists(cgroup), "its cgroups are gone")


def test_it_imports_little() -> None:
    code = "import sys, farcell_keeper.__main__; print([m for m in sys.modules if m.startswith('farcell_')])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "farcell_executor" not in loaded
    slow = {"asyncio", "subprocess", "logging", "threading", "multiprocessing"}
    code = "import sys, farcell_keeper.__main__; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    bare = subprocess.run(
        [sys.executable, "-c", "import sys, msgspec; print(*sys.modules)"], capture_output=True, text=True, check=True
    ).stdout
    assert slow & (set(loaded.split()) - set(bare.split())) == set()
