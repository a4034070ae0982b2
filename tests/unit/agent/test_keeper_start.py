"""Starting the keeper, finding the one that runs, and what goes wrong."""

import os
import socket
import stat
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from farcell_agent.keeper import dismiss_keeper, keeper_answers, start_keeper
from farcell_host.directories import private_directory
from farcell_protocol.errors import DirectoryNotOurs, Unavailable
from farcell_protocol.places import Places
from tests.fakes.nodes import STAND_IN, keepers_of


def start(where: Places, *command: str, deadline_s: float = 10) -> None:
    start_keeper(where, sys.executable, command=command or STAND_IN, deadline_s=deadline_s)


def test_a_started_keeper_answers_and_is_kept_by_the_next_start(where: Places):
    start(where)
    (pid,) = keepers_of(where)
    start(where)
    assert keepers_of(where) == [pid]
    assert keeper_answers(where)


def test_it_runs_in_a_session_of_its_own_in_the_root_with_no_descriptor_of_ours(where: Places, tmp_path: Path):
    with open(tmp_path / "ours", "w") as ours:
        os.set_inheritable(ours.fileno(), True)
        start(where)
        (pid,) = keepers_of(where)
        files = {os.path.realpath(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()}
    assert os.getsid(pid) == pid
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert str(tmp_path / "ours") not in files


def test_no_token_reaches_it_and_so_no_worker(where: Places, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FARCELL_TOKEN", "secret-one")
    monkeypatch.setenv("FARCELL_JOIN_TOKEN", "secret-two")
    start(where)
    (pid,) = keepers_of(where)
    assert b"secret" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_its_directories_are_private(where: Places):
    start(where)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (where.data, where.runtime)] == [0o700, 0o700]
    assert stat.S_IMODE(where.keeper_log.stat().st_mode) == 0o600


def test_one_that_leaves_at_once_is_an_error_with_what_it_said(where: Places):
    where.data.mkdir()
    where.keeper_log.write_text("from an earlier life\n")
    with pytest.raises(Unavailable) as failed:
        start(where, sys.executable, "-c", "import sys; sys.exit('the disk is full')")
    assert "left with status 1" in str(failed.value)
    assert str(failed.value).endswith("ends with:\nthe disk is full")


def test_one_that_is_never_ready_is_ended_and_an_error(where: Places):
    with pytest.raises(Unavailable, match="was not ready in time"):
        start(where, sys.executable, "-c", "import time; time.sleep(60)", deadline_s=0.3)
    assert keepers_of(where) == []


def test_a_dead_keeper_is_replaced_and_leaves_no_zombie(where: Places):
    start(where)
    (first,) = keepers_of(where)
    os.kill(first, 9)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    start(where)
    assert keepers_of(where) != [first]
    assert not Path(f"/proc/{first}").exists()


def test_the_keeper_of_a_data_directory_that_was_deleted_is_not_taken_for_ours(where: Places):
    start(where)
    (first,) = keepers_of(where)
    where.data.rename(where.data.with_name("deleted"))
    start(where)
    (second,) = set(keepers_of(where)) - {first}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(where.keeper_socket))
        pid, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    assert pid == second


def test_one_with_nothing_left_is_dismissed(where: Places):
    start(where)
    (pid,) = keepers_of(where)
    assert dismiss_keeper(where)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert dismiss_keeper(where)  # nobody there


def test_a_directory_of_somebody_else_is_refused(tmp_path: Path):
    if os.getuid() != 0:
        pytest.skip("needs root to give a folder away")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)
    with pytest.raises(DirectoryNotOurs, match="belongs to user id 12345"):
        private_directory(theirs)


def test_our_own_link_to_our_own_directory_is_fine_and_somebody_elses_link_is_not(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    private_directory(tmp_path / "link")
    assert stat.S_IMODE((tmp_path / "real").stat().st_mode) == 0o700
    if os.getuid() == 0:
        os.chown(tmp_path / "link", 12345, 12345, follow_symlinks=False)
        with pytest.raises(DirectoryNotOurs, match="belongs to user id 12345"):
            private_directory(tmp_path / "link")


def test_a_keeper_that_accepts_and_says_nothing_is_an_error_in_time(where: Places):
    script = (
        "import os, socket, sys, time\n"
        "a = sys.argv; s = socket.socket(socket.AF_UNIX); s.bind(a[a.index('--runtime') + 1] + '/keeper.sock')\n"
        "s.listen(); os.write(int(a[a.index('--ready-fd') + 1]), b'1'); time.sleep(60)"
    )
    with pytest.raises(Unavailable, match="does not answer"):
        start(where, sys.executable, "-c", script, deadline_s=1)


def test_starts_at_the_same_moment_end_with_a_keeper_that_answers(where: Places):
    with ThreadPoolExecutor(3) as starters:
        for started in [starters.submit(start_keeper, where, sys.executable, warm=False) for _ in range(3)]:
            started.result()
    assert keeper_answers(where)
    assert len(keepers_of(where)) == 1
    dismiss_keeper(where)


def test_the_module_needs_no_event_loop_and_no_nvml():
    code = "import sys, farcell_agent.keeper; print({'asyncio', 'pynvml', 'websockets'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20)
    assert said.stdout == "set()\n"
