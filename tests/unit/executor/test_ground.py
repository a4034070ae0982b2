"""A data directory that is deleted under what runs on it: all of it leaves, and what comes after is not disturbed."""

import json
import shutil
import stat
from pathlib import Path

from farcell_executor.calls import find
from farcell_protocol.messages.api import SessionView
from tests.fakes.waiting import eventually, is_running
from tests.unit.executor.home import Home
from tests.unit.executor.test_farewell import start_worker

DEADLINE_S = 25.0


def keeper_of(home: Home) -> int:
    return int(json.loads(home.where.keeper_lock.read_text())["pid"])


def delete(folder: Path) -> None:
    """All of it, in one step, as what runs there goes on making files meanwhile."""
    shutil.rmtree(folder.rename(folder.with_name("deleted")), ignore_errors=True)


def test_executor_keeper_and_workers_leave_with_the_directory(home: Home):
    daemon = home.daemon()
    worker, keeper = start_worker(home), keeper_of(home)
    delete(home.where.data)
    assert daemon.wait(DEADLINE_S) == 0
    assert not is_running(worker), "the executor waits for its workers"
    eventually(lambda: not is_running(keeper), "the keeper has left")
    assert not home.where.data.exists(), "nothing was made there again"
    assert not home.where.executor_socket.exists()


def test_a_keeper_whose_executor_was_killed_leaves_by_itself(home: Home):
    daemon = home.daemon()
    worker, keeper = start_worker(home), keeper_of(home)
    daemon.kill()
    daemon.wait(5)
    delete(home.where.data)
    eventually(lambda: not is_running(keeper), "the keeper has left")
    eventually(lambda: not is_running(worker), "its worker has ended")


def test_an_executor_that_is_started_meanwhile_keeps_its_sockets_its_keeper_and_its_worker(home: Home):
    first = home.daemon()
    start_worker(home)
    keeper = keeper_of(home)
    delete(home.where.data)
    home.daemon()
    worker = start_worker(home)
    assert first.wait(DEADLINE_S) == 0
    eventually(lambda: not is_running(keeper), "the first one's keeper has left")
    assert is_running(worker)
    caller = find(home.where, url=None, token=None)
    assert [one.state for one in caller.ask("GET", "/sessions", list[SessionView])] == ["ready"]
    assert home.farcell("stop").stdout == "stopped; 1 worker ended\n"


def test_sockets_that_a_cleaner_removed_are_there_again_and_everything_goes_on(home: Home):
    daemon = home.daemon()
    worker, keeper = start_worker(home), keeper_of(home)
    delete(home.where.runtime)
    eventually(home.where.executor_socket.exists, "the executor listens again")
    assert stat.S_IMODE(home.where.executor_socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.where.runtime.stat().st_mode) == 0o700
    daemon.terminate()
    assert daemon.wait(DEADLINE_S) == 0
    eventually(home.where.keeper_socket.exists, "the keeper listens again, at the latest when its agent left")
    second = home.daemon()
    caller = find(home.where, url=None, token=None)
    assert [one.state for one in caller.ask("GET", "/sessions", list[SessionView])] == ["ready"]
    assert (is_running(worker), keeper_of(home)) == (True, keeper)
    assert home.farcell("stop").stdout == "stopped; 1 worker ended\n"
    assert second.wait(DEADLINE_S) == 0
    assert not home.where.executor_socket.exists()
    assert not home.where.keeper_socket.exists()
