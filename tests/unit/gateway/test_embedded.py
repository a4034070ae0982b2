"""Finding, starting and replacing the embedded executor, with real processes of a small stand-in for it."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farcell import embedded
from farcell.client import Client
from farcell.config import embedded_places, target
from farcell.embedded import find, find_or_start
from farcell.spawning import spawn
from farcell_host import rest
from farcell_host.target import Target
from farcell_protocol.errors import ExecutorUnreachable, Unauthorized, VersionMismatch
from farcell_protocol.messages.api import ExecutorView
from farcell_protocol.places import Places
from tests.fakes.waiting import is_running

ROOT = Path(__file__).parents[3]
STAND_IN = [sys.executable, str(ROOT / "tests/fakes/executor.py"), "--embedded"]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Home:
    """A data directory, its environment, and the daemons that were started for it."""

    def __init__(self, folder: Path) -> None:
        self.environ = {"HOME": str(folder), "PATH": os.environ["PATH"], "FARCELL_DATA": str(folder / "data")}

    @property
    def places(self) -> Places:
        return embedded_places(self.environ)

    @property
    def starts(self) -> list[list[str]]:
        """For each daemon that started: pid, session, working directory, blocked signals."""
        try:
            return [line.split(maxsplit=3) for line in (self.places.data / "starts").read_text().splitlines()]
        except (FileNotFoundError, NotADirectoryError):
            return []

    @property
    def pids(self) -> list[int]:
        return [int(start[0]) for start in self.starts]

    def start(self, *, deadline_s: float = 20.0, **environ: str) -> Target:
        return find_or_start(self.environ | environ, command=STAND_IN, deadline_s=deadline_s)

    def view(self) -> ExecutorView:
        return rest.call(find(self.environ), "GET", "/status", ExecutorView)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    for pid in made.pids:
        if is_running(pid):
            os.kill(pid, signal.SIGTERM)
            until(lambda pid=pid: not is_running(pid))


def test_the_first_search_starts_one_and_the_next_finds_it(home: Home) -> None:
    told: list[str] = []
    first = find_or_start(home.environ, command=STAND_IN, on_start=told.append)
    second = find_or_start(home.environ, command=STAND_IN, on_start=told.append)
    assert first == second == find(home.environ)
    assert first.embedded
    assert len(home.pids) == 1
    assert told == ["starting the embedded executor"]


def test_it_hears_no_stop_button_and_blocks_no_signal(home: Home) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        home.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    pid, session, folder, blocked = home.starts[0]
    assert session == pid
    assert (folder, blocked) == ("/", "set()")


def test_it_inherits_nothing_that_is_this_kernels_alone(home: Home) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    home.start(JPY_PARENT_PID="1", FARCELL_TOKEN="secret", KEPT="yes")
    pid = home.pids[0]
    environ = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"KEPT=yes" in environ
    assert b"JPY_" not in environ
    assert b"FARCELL_TOKEN" not in environ
    ours = os.readlink(f"/proc/self/fd/{writing}")
    theirs = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    os.close(reading)
    os.close(writing)
    assert ours not in theirs


def test_two_kernels_at_the_same_moment_start_one(home: Home) -> None:
    code = (
        "import os, sys; from farcell.embedded import find_or_start;"
        "sys.stdin.read(1); print(find_or_start(os.environ, command=eval(sys.argv[1])).url)"
    )
    kernels = [
        subprocess.Popen(
            [sys.executable, "-c", code, repr(STAND_IN)],
            env=home.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    for kernel in kernels:
        assert kernel.stdin is not None
        kernel.stdin.write(b"x")
        kernel.stdin.flush()
    said = [kernel.communicate(timeout=40)[0] for kernel in kernels]
    assert len(home.pids) == 1
    assert set(said) == {f"unix://{home.places.executor_socket}\n".encode()}


def test_one_that_was_killed_is_started_again_over_what_it_left(home: Home) -> None:
    home.start()
    os.kill(home.pids[0], signal.SIGKILL)
    until(lambda: not is_running(home.pids[0]))
    assert home.places.executor_socket.exists()
    with pytest.raises(ExecutorUnreachable, match="no embedded executor is running"):
        find(home.environ)
    home.start()
    assert len(home.pids) == 2


def test_an_older_one_is_drained_and_replaced(home: Home) -> None:
    home.start(STUB_VERSION="0.0.9")
    told: list[str] = []
    find_or_start(home.environ, command=STAND_IN, on_start=told.append)
    assert told == ["replacing the embedded executor by a newer one; runs go on", "starting the embedded executor"]
    assert [is_running(pid) for pid in home.pids] == [False, True]
    assert home.view().version == "0.1.0"


def test_a_newer_one_serves_us(home: Home) -> None:
    first = home.start(STUB_VERSION="99.0")
    assert home.start() == first
    assert len(home.pids) == 1


def test_one_too_new_for_our_protocol_is_left_alone_and_named(home: Home) -> None:
    with pytest.raises(VersionMismatch, match="upgrade this program"):
        home.start(STUB_PROTOCOL="99;98") and home.start()
    assert is_running(home.pids[0])


def test_one_too_old_for_our_protocol_is_replaced(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.start(STUB_VERSION="0.0.1")
    monkeypatch.setattr("farcell_protocol.version.PROTOCOL", 3)
    for module in ("farcell_protocol.version", "farcell_host.rest", "farcell.embedded"):
        monkeypatch.setattr(f"{module}.OLDEST", 2)
    monkeypatch.setattr("farcell_host.rest.PROTOCOL", 3)
    home.start(STUB_PROTOCOL="3;2")
    assert [is_running(pid) for pid in home.pids] == [False, True]


def test_one_that_cannot_start_is_reported_with_its_last_words(home: Home) -> None:
    with pytest.raises(
        ExecutorUnreachable, match=r"ended with exit code 1 as it started; from .*executor.log:\ncannot start: no legs"
    ):
        home.start(STUB_FAILS="no legs")


def test_one_that_never_becomes_ready_is_ended_at_the_deadline(home: Home) -> None:
    with pytest.raises(ExecutorUnreachable, match=r"waited 0\.5 s for the embedded executor to start"):
        home.start(STUB_HANGS="1", deadline_s=0.5)
    from farcell import spawning

    until(lambda: spawning._children[-1].poll() == -signal.SIGTERM)


def test_a_lock_held_by_something_that_does_not_answer_is_named(home: Home) -> None:
    home.places.data.mkdir(parents=True)
    home.places.executor_lock.write_text(json.dumps({"pid": 4711, "address": "unix:///nowhere"}))
    home.places.token_file.touch(mode=0o600)
    with home.places.executor_lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ExecutorUnreachable, match=r"the executor with pid 4711, which holds .* to answer or leave"):
            home.start(deadline_s=0.3)


def test_a_dead_pid_in_the_lock_file_does_no_harm(home: Home) -> None:
    home.places.data.mkdir(parents=True)
    home.places.executor_lock.write_text(json.dumps({"pid": 4711, "address": "http://127.0.0.1:1"}))
    home.start()
    assert len(home.pids) == 1


def test_one_with_its_socket_elsewhere_is_found_by_its_lock(home: Home) -> None:
    # Not below pytest's own folder, whose path may be too long for a socket.
    with tempfile.TemporaryDirectory(prefix="farcell-") as there:
        started = find_or_start(home.environ | {"XDG_RUNTIME_DIR": there}, command=STAND_IN)
        assert there in started.url
        assert home.start() == started == find(home.environ)
        assert len(home.pids) == 1


def test_an_executor_that_listens_but_has_not_written_its_token_yet_is_waited_for(home: Home, tmp_path: Path) -> None:
    home.start()
    home.places.token_file.rename(tmp_path / "not yet")
    looks = 0

    def write_the_token_at_the_second_look() -> bool:
        nonlocal looks
        looks += 1
        if looks == 2:
            (tmp_path / "not yet").rename(home.places.token_file)
        return False

    found = find_or_start(home.environ, command=STAND_IN, giving_up=write_the_token_at_the_second_look)
    assert found.token == home.places.token_file.read_text().strip()
    assert len(home.starts) == 1


def test_a_missing_token_of_one_that_runs_is_said_within_seconds_with_what_to_do(home: Home) -> None:
    home.start()
    home.places.token_file.unlink()
    began = time.monotonic()
    with pytest.raises(Unauthorized, match=rf"there is no {home.places.token_file}.*`kill {home.pids[0]}`"):
        home.start()
    with pytest.raises(Unauthorized, match=f"`kill {home.pids[0]}`"):
        find(home.environ)
    assert time.monotonic() - began < 10


def test_an_executor_whose_token_never_comes_is_named_with_the_missing_file(home: Home) -> None:
    home.start()
    home.places.token_file.unlink()
    with pytest.raises(ExecutorUnreachable, match=f"there is no {home.places.token_file}"):
        home.start(deadline_s=0.1)


def test_a_token_that_others_can_read_is_not_used(home: Home) -> None:
    home.start()
    home.places.token_file.chmod(0o640)
    with pytest.raises(Unauthorized, match="has mode 0640"):
        home.start()


@pytest.mark.parametrize("text", ["t-1.secret\nInjected: 1", "t-1.secret extra", "t-1.se\x00cret", "t-1.sécret"])
def test_a_file_that_holds_no_token_is_said_at_once_without_quoting_it(home: Home, text: str) -> None:
    home.start()
    home.places.token_file.write_text(text)
    with pytest.raises(Unauthorized, match="it must be one line") as raised:
        home.start()
    assert "t-1" not in str(raised.value)


def test_a_folder_in_the_place_of_the_token_is_named(home: Home) -> None:
    home.start()
    home.places.token_file.unlink()
    home.places.token_file.mkdir(mode=0o700)
    with pytest.raises(Unauthorized, match="is no file"):
        home.start()
    home.places.token_file.rmdir()


def test_a_pipe_in_the_place_of_the_token_is_not_waited_for(home: Home) -> None:
    home.start()
    home.places.token_file.unlink()
    os.mkfifo(home.places.token_file, 0o600)
    with pytest.raises(Unauthorized, match=f"{home.places.token_file} is no file"):
        home.start()


def test_a_token_behind_a_link_is_not_used(home: Home, tmp_path: Path) -> None:
    home.start()
    home.places.token_file.rename(tmp_path / "elsewhere")
    home.places.token_file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unauthorized, match="cannot read the token"):
        home.start()


def test_a_socket_folder_that_others_can_write_is_not_used(home: Home) -> None:
    home.start()
    home.places.runtime.chmod(0o777)
    with pytest.raises(ExecutorUnreachable, match="can be written by others: chmod 700"):
        home.start()


def test_a_folder_that_cannot_be_used_is_named_with_the_way_out(home: Home) -> None:
    home.places.data.write_text("a file")
    with pytest.raises(
        ExecutorUnreachable, match=r"cannot start the embedded executor: .*/data: File exists.*FARCELL_DATA"
    ):
        home.start()


def test_a_full_disk_is_said_in_words(home: Home) -> None:
    home.places.data.mkdir(parents=True)
    os.symlink("/dev/full", home.places.executor_log)
    with pytest.raises(ExecutorUnreachable):
        home.start(STUB_FAILS="whatever it says is lost")


def test_a_search_ends_when_its_client_is_closed(home: Home) -> None:
    home.places.data.mkdir(parents=True)
    with home.places.start_lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ExecutorUnreachable, match="closed"):
            find_or_start(home.environ, command=STAND_IN, giving_up=lambda: True)


def test_a_client_starts_one_again_only_when_it_is_needed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in home.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(embedded, "spawn", lambda environ, places, _: spawn(environ, places, STAND_IN))
    with Client(target(home.environ)) as client:
        with pytest.raises(ExecutorUnreachable):
            client.stop()
        assert home.pids == []
        assert client.status().pid == home.pids[0]
        client.connect()
        client.stop()
        until(lambda: not is_running(home.pids[0]))
        assert client.nodes() == []
        assert len(home.pids) == 2
        client.connect()
