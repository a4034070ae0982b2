"""The run log: append-only and numbered, whole after any death, readable from any number."""

import errno
import os
import random
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from farcell_executor.runlog import RunLog
from farcell_executor.runlogs import RunLogs
from farcell_protocol.errors import BadRequest, DiskFailed, DiskFull, StreamGap
from farcell_protocol.frames import End, Message, decode_frame
from farcell_protocol.framing import pack, record
from farcell_protocol.ids import RunId, new_run_id


def frame(text: str) -> bytes:
    return pack(Message("stream", {"name": "stdout", "text": text}))


def read_all(logs: RunLogs, run: RunId, after: int = 0, limit_bytes: int = 2**18) -> list[bytes]:
    with logs.watch(run, after, lambda: None) as cursor:
        found = []
        while frames := cursor.read(limit_bytes):
            found += [bytes(one) for one in frames]
        return found


@contextmanager
def full_disk(size_bytes: int) -> Iterator[None]:
    """No file may grow beyond this."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[RunLogs]:
    made = RunLogs(tmp_path)
    yield made
    made.close()


@pytest.fixture
def run() -> RunId:
    return new_run_id()


def test_a_file_holds_nothing_but_the_records_of_its_frames(logs: RunLogs, run: RunId, tmp_path: Path):
    frames = [frame("a"), frame("b"), pack(End("ok"))]
    logs.append(run, 1, frames[:2])
    logs.append(run, 3, frames[2:], end=True)
    assert (tmp_path / f"{run}.log").read_bytes() == b"".join(map(record, frames))
    assert (tmp_path / f"{run}.log").stat().st_mode & 0o777 == 0o600


def test_replayed_frames_are_skipped_and_a_gap_adds_nothing(logs: RunLogs, run: RunId):
    logs.append(run, 1, [frame("1"), frame("2")])
    logs.append(run, 1, [frame("1"), frame("2"), frame("3")])
    with pytest.raises(StreamGap):
        logs.append(run, 5, [frame("5")])
    assert logs.log(run).last == 3
    assert read_all(logs, run) == [frame("1"), frame("2"), frame("3")]


def test_nothing_follows_an_end(logs: RunLogs, run: RunId):
    assert logs.end_with(run, "lost", None) == End("lost")
    logs.append(run, 2, [frame("late")])
    assert logs.end_with(run, "ok", None) == End("lost")
    assert [decode_frame(one) for one in read_all(logs, run)] == [End("lost")]


def test_it_is_read_from_any_number_with_any_limit(logs: RunLogs, run: RunId):
    chance = random.Random(1)
    frames = [frame(f"{n} " + "x" * chance.choice((0, 10, 3000, 60_000))) for n in range(1, 400)]
    frames[200] = frame("y" * 3_000_000)
    logs.append(run, 1, frames)
    for after in (0, 1, 63, 199, 200, 201, 398, 399, 1000):
        for limit in (1, 1000, 2**18):
            assert read_all(logs, run, after, limit) == frames[after:]


def test_after_a_restart_a_torn_tail_is_cut_off_and_the_rest_stands(logs: RunLogs, run: RunId, tmp_path: Path):
    frames = [frame(f"{n} " + "x" * 1000) for n in range(1, 2000)]
    logs.append(run, 1, frames)
    whole = (tmp_path / f"{run}.log").stat().st_size
    for torn in (b"\0", b"\0\0\0\x09abc", b"\xff\xff\xff\xff"):
        with (tmp_path / f"{run}.log").open("ab") as file:
            file.write(torn)
        again = RunLogs(tmp_path)
        assert (again.log(run).last, again.log(run).ended) == (1999, False)
        assert (tmp_path / f"{run}.log").stat().st_size == whole
        assert read_all(again, run, 1990) == frames[1990:]
        again.close()
    again = RunLogs(tmp_path)
    again.append(run, 2000, [pack(End("ok"))], end=True)
    again.close()
    third = RunLogs(tmp_path)
    assert third.log(run).end() == End("ok")
    third.close()


def test_a_reader_is_woken_by_what_is_added_until_it_leaves(logs: RunLogs, run: RunId):
    woken: list[int] = []
    with logs.watch(run, 0, lambda: woken.append(logs.log(run).last)) as cursor:
        logs.append(run, 1, [frame("1")])
        assert len(cursor.read()) == 1
        assert not cursor.finished
        logs.end_with(run, "ok", None)
        assert cursor.behind
        cursor.read()
        assert cursor.finished
    assert woken == [1, 2]
    assert not logs.log(run).watched


def test_a_full_disk_leaves_the_log_whole_and_ends_it_in_memory(logs: RunLogs, run: RunId, tmp_path: Path):
    logs.append(run, 1, [frame("kept")])
    size = (tmp_path / f"{run}.log").stat().st_size
    with full_disk(size + 10):
        with pytest.raises(DiskFull, match="free space"):
            logs.append(run, 2, [frame("x" * 1000)])
        logs.append(run, 3, [frame("dropped")])
        assert (tmp_path / f"{run}.log").stat().st_size == size
        logs.end_with(run, "lost", DiskFull("full").info())
    assert logs.log(run).ended
    assert read_all(logs, run) == [frame("kept"), pack(End("lost", DiskFull("full").info()))]
    other = new_run_id()
    logs.append(other, 1, [frame("fine")])
    assert read_all(logs, other) == [frame("fine")]


def test_a_log_whose_directory_was_deleted_still_ends_for_whoever_reads_it(logs: RunLogs, run: RunId, tmp_path: Path):
    began = new_run_id()
    logs.append(began, 1, [frame("kept")])
    shutil.rmtree(tmp_path)
    with logs.watch(run, 0, lambda: None) as cursor:
        with pytest.raises(DiskFailed, match="No such file or directory") as refused:
            logs.append(run, 1, [frame("lost")])
        assert (refused.value.code, refused.value.fields["path"]) == ("disk-failed", str(tmp_path))
        logs.end_with(run, "lost", refused.value.info())
        assert [decode_frame(one) for one in cursor.read()] == [End("lost", refused.value.info())]
        assert cursor.finished
    logs.end_with(began, "ok", None)
    assert read_all(logs, began) == [frame("kept"), pack(End("ok"))]


def test_a_log_that_was_cut_from_outside_is_an_error_rather_than_an_end_that_never_comes(
    logs: RunLogs, run: RunId, tmp_path: Path
):
    logs.append(run, 1, [frame("x" * 1000), frame("y" * 1000)])
    os.truncate(tmp_path / f"{run}.log", 1200)
    with logs.watch(run, 0, lambda: None) as cursor:
        assert len(cursor.read()) == 1
        with pytest.raises(DiskFailed, match=f"cannot read the output of run {run}"):
            cursor.read()


def test_on_a_disk_that_turned_read_only_what_was_written_is_read(logs: RunLogs, run: RunId, tmp_path: Path):
    logs.append(run, 1, [frame("kept")])
    logs.log(run).close()
    before = os.open
    opened: list[int] = []

    def read_only(path: object, flags: int, *rest: int) -> int:
        opened.append(flags)
        if flags & (os.O_RDWR | os.O_WRONLY | os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return before(path, flags, *rest)  # type: ignore[call-overload]  # whatever is opened here

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", read_only)  # root may write anywhere, and a mount needs root
        again = RunLogs(tmp_path)
        assert read_all(again, run) == [frame("kept")]
        with pytest.raises(DiskFailed, match="Read-only file system"):
            again.append(run, 2, [frame("more")])
        again.end_with(run, "lost", None)
        assert read_all(again, run) == [frame("kept"), pack(End("lost"))]
    again.close()
    assert opened


async def test_a_log_that_the_disk_refuses_holds_up_no_other(logs: RunLogs, tmp_path: Path, caplog: Any):
    gone, fine = new_run_id(), new_run_id()
    for run in (gone, fine):
        logs.append(run, 1, [pack(End("ok"))], end=True)
    logs.log(gone).close()
    (tmp_path / f"{gone}.log").unlink()
    await logs.sync()
    assert f"run {gone} safe against a power cut" in caplog.text
    assert (logs.let_go(fine), logs.let_go(gone)) == (True, False)


async def test_ended_logs_are_synced_and_files_are_let_go(logs: RunLogs, tmp_path: Path):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(600):
        run = new_run_id()
        logs.append(run, 1, [frame("x"), pack(End("ok"))], end=True)
        await logs.sync()
        assert logs.log(run).end() == End("ok")
    assert len(os.listdir("/proc/self/fd")) - before <= 300


def test_a_text_that_is_no_run_id_never_names_a_file(logs: RunLogs, tmp_path: Path):
    for text in ("../../etc/passwd", "", "r-", "r-0123456789a/", "s-0123456789ab"):
        with pytest.raises(BadRequest):
            logs.log(RunId(text))
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_was_only_looked_at_makes_no_file(logs: RunLogs, run: RunId, tmp_path: Path):
    assert logs.log(run).last == 0
    assert read_all(logs, run) == []
    assert list(tmp_path.iterdir()) == []
    assert RunLog(run, tmp_path / "x.log").end() is None
