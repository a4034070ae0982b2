"""The parts that only think: positions in a spool, ends in words, where cgroups may be made, what a stat line says."""

import signal
from pathlib import Path

import pytest

from farcell_keeper import holes
from farcell_keeper.cgroups import V1, V2, Home, find_home
from farcell_keeper.endings import Death, end_of, exit_of, too_late
from farcell_keeper.processes import Stat, parse_stat
from farcell_keeper.runs import Remembered
from farcell_keeper.spool import Positions, Spool
from farcell_protocol.errors import Cancelled, TimedOut
from farcell_protocol.frames import End

KiB, MiB = 2**10, 2**20


def test_a_supervisors_word_names_the_exit_code() -> None:
    exit = exit_of(Death(wait_status=3 << 8))
    assert (exit.exit_code, exit.signal, exit.expected) == (3, None, False)
    assert exit.error.message == (
        "the worker's process left with exit code 3: os._exit or a crash in C code; the session's variables are lost"
    )


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGSEGV, "killed by SIGSEGV, a crash in C code"),
        (signal.SIGKILL, "killed by SIGKILL, sent by somebody"),
        (signal.SIGRTMIN + 3, f"killed by signal {signal.SIGRTMIN + 3}"),
    ],
)
def test_a_signal_is_named(number: int, words: str) -> None:
    exit = exit_of(Death(wait_status=int(number)))
    assert (exit.error.code, exit.signal, exit.error.fields["signal"]) == ("worker-killed", number, number)
    assert words in exit.error.message


def test_out_of_memory_needs_both_the_counter_and_the_kill() -> None:
    killed, left = int(signal.SIGKILL), 3 << 8
    numbers = {"limit_bytes": 512 * MiB, "peak_bytes": 511 * MiB}
    error = exit_of(Death(wait_status=killed, oom_kills=1, **numbers)).error
    assert (error.code, error.fields) == ("out-of-memory", numbers)
    assert "its limit of 512 MiB, having used up to 511 MiB" in error.message
    assert exit_of(Death(wait_status=left, oom_kills=1)).error.code == "worker-exited"
    assert exit_of(Death(wait_status=killed, oom_kills=0)).error.code == "worker-killed"
    assert exit_of(Death(supervisor_status=killed, oom_kills=1)).error.code == "out-of-memory"


def test_what_was_asked_for_comes_before_what_was_found() -> None:
    reason = TimedOut("over its 5 s", timeout_s=5).info()
    exit = exit_of(Death(wait_status=9, oom_kills=1, stopped=True, reason=reason))
    assert (exit.error, exit.expected, exit.signal) == (reason, True, 9)
    assert exit_of(Death(wait_status=15, stopped=True)).error.code == "session-ended"


def test_the_outcome_follows_the_reason() -> None:
    def outcome(death: Death) -> str:
        return end_of(exit_of(death)).outcome

    assert outcome(Death(stopped=True, reason=Cancelled("stop").info())) == "cancelled"
    assert outcome(Death(stopped=True, reason=TimedOut("late").info())) == "timed-out"
    assert outcome(Death(wait_status=9)) == "lost"


def test_a_worker_that_never_was_ready_is_quoted() -> None:
    error = exit_of(Death(supervisor_status=1 << 8, ready=False, said="ModuleNotFoundError: torch")).error
    assert error.code == "worker-not-started"
    assert error.message.endswith(
        "left with exit code 1 before it was ready; its last words:\nModuleNotFoundError: torch"
    )


def test_work_that_comes_too_late_says_why_the_session_had_ended() -> None:
    late = too_late(exit_of(Death(wait_status=3 << 8)))
    assert isinstance(late, End)
    assert late.reason is not None
    assert (late.reason.code, late.reason.fields) == ("session-ended", {"cause": "worker-exited"})


def test_positions_are_few_and_never_past_what_is_asked_for() -> None:
    positions = Positions()
    for n in range(1, 10_001):
        positions.written(n, n * KiB)
    assert positions.before(0) == (0, 0)
    for after in (63, 64, 65, 5000, 10_000):
        number, offset = positions.before(after)
        assert after - 64 <= number <= after
        assert offset == number * KiB
    positions.reached(5001, 5001 * KiB)
    assert positions.before(5001) == (5001, 5001 * KiB)
    assert positions.before(5000)[0] <= 5000


@pytest.mark.parametrize("size", [0, 1, 1000, 70_000])
def test_a_spool_gives_back_every_frame_from_any_number(tmp_path: Path, size: int) -> None:
    spool = Spool(tmp_path / "r.log")
    frames = [f"{n}".encode().ljust(size, b".") for n in range(1, 301)]
    for start in range(0, 300, 7):
        spool.append(frames[start : start + 7])
    for after in (0, 1, 150, 299, 300, 17):
        got: list[bytes] = []
        while batch := spool.read(after + len(got), 64 * KiB):
            got += batch
        assert got == frames[after:]
    spool.close()
    assert spool.read(299, 1) == frames[299:]
    spool.drop()
    assert list(tmp_path.iterdir()) == []


def test_acknowledged_frames_give_their_disk_back_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "r.log"
    spool = Spool(path)
    frames = [bytes([n % 251]) * 10_000 for n in range(1000)]
    for start in range(0, 1000, 10):
        spool.append(frames[start : start + 10])
    spool.read(500, 1)  # where a reader was is forgotten again, and no place to cut
    for acknowledged in (10, 600, 599, 900, 900):
        spool.release(acknowledged)
    assert path.stat().st_blocks * 512 < 100 * 10_000 + 2 * MiB
    got: list[bytes] = []
    while batch := spool.read(900 + len(got), 64 * KiB):
        got += batch
    assert got == frames[900:]
    spool.append([b"last"])
    assert spool.read(1000, 1) == [b"last"]
    spool.close()


def test_where_files_have_no_holes_frames_stay_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(holes, "punch", lambda fd, start, end: calls.append(end))
    spool = Spool(tmp_path / "r.log")
    for acknowledged in range(8):
        spool.append([b"x" * MiB])
        spool.release(acknowledged)
    assert spool.read(7, 1) == [b"x" * MiB]
    assert len(calls) == 1
    spool.close()


def test_a_file_cut_by_somebody_is_an_error_and_no_endless_search(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "r.log")
    spool.append([b"x" * 100] * 10)
    (tmp_path / "r.log").write_bytes(b"")
    with pytest.raises(OSError, match="shorter"):
        spool.read(3, 1000)


def test_old_ids_are_forgotten_beyond_the_bound() -> None:
    seen = Remembered(bound=3)
    for id in "abcd":
        seen.add(id)
    assert [id in seen for id in "abcd"] == [False, True, True, True]


def test_a_name_with_brackets_and_spaces_does_not_shift_the_fields() -> None:
    rest = " ".join(["S", "17", *"3456789", *(str(n) for n in range(10, 20)), "987654", "0"])
    assert parse_stat(f"42 (a) b) {rest}") == Stat("S", 17, 987654)


HYBRID = """
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
38 31 0:35 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
UNIFIED = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"
CONTAINER = "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro,nosuid shared:1 - cgroup cgroup rw,memory"


def test_memory_is_looked_for_in_version_one_first() -> None:
    homes = find_home(HYBRID, "7:blkio:/\n4:memory:/jobs/one\n0::/jobs/one\n")
    assert homes[0] == Home(Path("/sys/fs/cgroup/memory/jobs/one"), V1)
    assert {home.names for home in homes[1:]} == {V2}


def test_below_version_two_the_parents_are_candidates_too() -> None:
    root = Path("/sys/fs/cgroup")
    homes = find_home(UNIFIED, "0::/user.slice/user-1000.slice/app.scope\n")
    expected = ["user.slice/user-1000.slice/app.scope", "user.slice/user-1000.slice", "user.slice", "."]
    assert homes == [Home(root / path, V2) for path in expected]


def test_in_a_container_only_part_of_the_hierarchy_is_seen() -> None:
    memory = Path("/sys/fs/cgroup/memory")
    assert find_home(CONTAINER, "4:memory:/docker/abc/x\n") == [Home(memory / "x", V1)]
    assert find_home(CONTAINER, "4:memory:/docker/abc\n") == [Home(memory, V1)]
    assert find_home("", "") == []
    assert find_home("nonsense\n1 2", "x\n::\n") == []
