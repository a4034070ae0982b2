"""`farcell stop` ends what there is, says what that was, and never waits for ever."""

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from farcell_executor.calls import Caller, find
from farcell_executor.farewell import Patience, stop_here, stop_there
from farcell_executor.lock import data_lock
from farcell_host.locks import is_held
from farcell_protocol.errors import ExecutorUnreachable, Unavailable
from farcell_protocol.ids import new_run_id
from farcell_protocol.messages.api import Interpreter, RunRequest, RunView, SessionView, Stopped
from farcell_protocol.messages.cells import Cell, encode_cell
from farcell_protocol.places import Places, places
from tests.fakes.waiting import is_running
from tests.unit.executor.home import Home

SHORT = Patience(answer_s=0.3, leave_s=0.3, keeper_s=0.3, start_s=0.3)
PYTHON = Interpreter(sys.executable, ".".join(map(str, sys.version_info[:3])))


def start_worker(home: Home) -> int:
    """Run a cell on the home's executor; the pid of the worker that stays."""
    caller = find(home.where, url=None, token=None)
    asked = RunRequest(
        new_run_id(), encode_cell(Cell("print('hi')", PYTHON.version)), PYTHON, gpu="cpu", cwd=str(home.where.data)
    )
    caller.ask("POST", "/runs", RunView, asked)
    output = b"".join(caller.stream("GET", f"/runs/{asked.run}/output?follow=true"))
    assert output == b"hi\n", caller.ask("GET", f"/runs/{asked.run}", RunView)
    (session,) = caller.ask("GET", "/sessions", list[SessionView])
    assert session.worker is not None
    assert session.worker.pid is not None
    return session.worker.pid


def test_it_ends_executor_workers_and_keeper_and_says_so(home: Home):
    daemon = home.daemon()
    worker = start_worker(home)
    stopped = home.farcell("stop")
    assert (stopped.stdout, stopped.returncode) == ("stopped; 1 worker ended\n", 0)
    assert daemon.wait(5) == 0
    assert not is_running(worker)
    assert not is_held(home.where.keeper_lock)
    again = home.farcell("stop")
    assert again.returncode == 1
    assert "executor-unreachable" in again.stderr


def test_workers_are_left_for_the_next_executor_when_asked_to_and_ended_by_a_later_stop(home: Home):
    daemon = home.daemon()
    worker = start_worker(home)
    left = home.farcell("stop", "--leave-workers")
    assert (left.stdout, left.returncode) == ("stopped; 1 worker left running for the next executor\n", 0)
    assert daemon.wait(5) == 0
    assert is_running(worker)
    ended = home.farcell("stop")
    assert (ended.stdout, ended.returncode) == ("no executor was running; stopped; 1 worker ended\n", 0)
    assert not is_running(worker)
    assert not is_held(home.where.keeper_lock)


def test_workers_that_outlived_a_killed_executor_are_ended(home: Home):
    daemon = home.daemon()
    worker = start_worker(home)
    daemon.kill()
    daemon.wait(5)
    assert is_running(worker)
    assert home.farcell("stop").stdout == "no executor was running; stopped; 1 worker ended\n"
    assert not is_running(worker)


def test_an_executor_that_somebody_starts_at_the_same_moment_is_stopped_too(home: Home):
    home.daemon()
    worker = start_worker(home)
    home.farcell("stop", "--leave-workers")
    starting = subprocess.Popen([sys.executable, "-m", "farcell_executor", "--embedded"], env=home.environment())
    home.started.append(starting)
    stopped = home.farcell("stop")
    assert (stopped.returncode, stopped.stderr) == (0, "")
    assert starting.wait(15) in (0, 75)
    assert not is_running(worker)
    assert not is_held(home.where.keeper_lock)


@pytest.fixture
def where(tmp_path: Path) -> Places:
    made = places(tmp_path / "data", {}, os.getuid())
    made.data.mkdir()
    made.token_file.write_text("t")
    return made


class Obedient(Caller):
    """An executor that says it leaves."""

    def ask(self, method: str, path: str, kind: Any, body: object = None, timeout_s: float = 0.0) -> Any:
        return Stopped(ended=1)


class Deaf(Caller):
    """An executor that is stopped, or busy for ever."""

    def ask(self, method: str, path: str, kind: Any, body: object = None, timeout_s: float = 0.0) -> Any:
        raise ExecutorUnreachable("no answer in time")


@pytest.mark.parametrize("kind", [Obedient, Deaf])
def test_an_executor_that_does_not_leave_is_named_with_how_to_end_it(where: Places, kind: type[Caller]):
    began = time.monotonic()
    with data_lock(where) as lock:
        lock.sign(address="unix:///nowhere", version="1")
        with pytest.raises(Unavailable) as stays:
            stop_here(where, leave_workers=False, dismiss_keeper=lambda _: True, patience=SHORT, caller=kind("", ""))
    assert time.monotonic() - began < 5
    assert f"process {os.getpid()}" in stays.value.message
    assert "0.3 s" in stays.value.message
    assert f"kill -9 {os.getpid()}" in stays.value.message
    assert (stays.value.fields["pid"], stays.value.fields["waited_s"]) == (os.getpid(), 0.3)


def test_an_executor_that_never_finishes_starting_is_not_waited_for_for_ever(where: Places):
    with data_lock(where), pytest.raises(Unavailable, match=r"has been starting on .* for 0.3 s"):
        stop_here(where, leave_workers=False, dismiss_keeper=lambda _: True, patience=SHORT)


def test_a_keeper_that_does_not_leave_is_named_with_how_to_end_it(where: Places):
    where.keeper_lock.write_bytes(msgspec.json.encode({"pid": 4711}))
    with where.keeper_lock.open() as keeper:
        fcntl.flock(keeper, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match=r"the keeper \(process 4711\) was told to leave and has not for 0.3 s"):
            stop_here(where, leave_workers=False, dismiss_keeper=lambda _: True, patience=SHORT)


class Leaving(Caller):
    """An executor on another host, which still answers so many times."""

    def __init__(self, answers: int) -> None:
        super().__init__("http://far:8765", "token")
        self.__dict__["left"] = answers

    def ask(self, method: str, path: str, kind: Any, body: object = None, timeout_s: float = 0.0) -> Any:
        if path == "/stop":
            return Stopped(ended=2, left=1)
        self.__dict__["left"] -= 1
        if self.__dict__["left"] < 0:
            raise ExecutorUnreachable("nobody answers")
        return None


def test_an_executor_elsewhere_has_stopped_when_nobody_answers_any_more():
    said = stop_there(Leaving(2), leave_workers=False)
    assert said == "stopped; 2 workers ended; 1 worker out of reach: stopped when the agent there connects again"


def test_an_executor_elsewhere_that_goes_on_answering_is_named():
    with pytest.raises(Unavailable, match=r"http://far:8765 still answers 0.3 s after it was told to leave"):
        stop_there(Leaving(1000), leave_workers=False, patience=SHORT)
