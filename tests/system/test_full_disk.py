"""A full disk, under one run log or under everything: said with its reason code, and over when space returns."""

import errno
import os
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.waiting import eventually
from tests.system.installation import Installation, installation
from tests.system.notebooks import Notebook, notebook

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

MIB = 2**20
SMALL = 24 * MIB
PAGE = resource.getpagesize()
SOON_S = 20.0
PRINTS_MUCH = "%%gpu H100\nfor i in range(60_000): print(i, 'x' * 50)"


@contextmanager
def no_file_larger_than(size_bytes: int, pid: int) -> Iterator[None]:
    """What a quota does to a process that runs already."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@pytest.fixture
def small_home(tmp_path: Path) -> Iterator[Installation]:
    """An installation on a file system of 24 MiB."""
    data = tmp_path / "data"
    data.mkdir()
    if os.getuid() != 0:
        pytest.skip("only root can mount a small file system to fill")
    command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL},mode=700", "tmpfs", str(data)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system to fill: {mounted.stderr.strip()}")
    try:
        with installation(data) as made:
            yield made
    finally:
        subprocess.run(["umount", "-l", str(data)], check=True)


def fill(data: Path) -> Path:
    """Leave not a byte; the file to remove when space is to return."""
    filler = data / "filler"
    with filler.open("wb") as file:
        for _ in range(SMALL // PAGE):
            try:  # the executor writes too: how much room there is cannot be asked first
                os.write(file.fileno(), bytes(PAGE))
            except OSError as full:
                if full.errno == errno.ENOSPC:
                    return filler
                raise
    raise AssertionError("it never became full")


def fails_with_disk_full(kernel: Notebook, cell: str) -> str:
    """Run a cell that must say so soon; the error."""
    began = time.monotonic()
    shown = kernel.run(cell)
    assert shown.status == "error"
    assert "disk-full" in shown.error
    assert time.monotonic() - began < SOON_S
    assert kernel.ok("1 + 1").result == "2"
    return shown.error


def test_a_run_whose_log_has_no_room_ends_with_the_reason_and_nothing_else_does(home: Installation, kernel: Notebook):
    kernel.ok("%gpu simulate H100:2")
    kernel.ok("%%gpu H100 --session other\nkept = 'still here'")
    with no_file_larger_than(MIB, home.executor_pid):
        error = fails_with_disk_full(kernel, PRINTS_MUCH)
        assert "free space under" in error
        assert str(home.places.run_logs) in error
        assert kernel.ok("%%gpu H100 --session other\nprint(kept)").text == "still here\n"
        assert kernel.ok("%%gpu H100 --once\nprint('small')").text == "small\n"
    whole = kernel.ok(PRINTS_MUCH)
    assert whole.text.count("\n") == 60_000
    kernel.ok("%gpu stop --all")
    assert kernel.ok("%%gpu H100:2 --once\nprint('no device is still claimed')").text
    kept = home.farcell("logs", "--", whole.run).stdout.decode()
    assert kept.count("\n") == 60_000


def test_with_no_byte_left_cells_are_refused_with_the_reason_until_space_returns(
    small_home: Installation, tmp_path: Path
):
    with notebook(small_home.environment, tmp_path) as kernel:
        kernel.ok("%gpu simulate H100:2")
        kernel.ok("%%gpu H100\nx = 1")
        filler = fill(small_home.data)
        for _ in range(3):
            fails_with_disk_full(kernel, "%%gpu H100\nprint('no room')")
        executor = small_home.executor_pid
        filler.unlink()
        eventually(lambda: kernel.run("%%gpu H100\nprint('room')").status == "ok", "cells run again", 20)
        kernel.ok("%gpu stop --all")
        assert kernel.ok("%%gpu H100:2 --once\nprint('no device is still claimed')").text
        assert small_home.executor_pid == executor, "it never had to be started again"
