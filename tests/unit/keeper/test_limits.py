"""Out of memory and out of disk: one run ends with the numbers, the others go on, and the next one works."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from farcell_keeper.cgroups import open_cgroups, own_homes
from farcell_protocol.messages import keeping as k
from farcell_protocol.places import Places
from tests.fakes.keeper_agent import Agent, KeeperProcess
from tests.fakes.waiting import eventually

MiB = 2**20
LIMIT = 96 * MiB


@pytest.fixture
def writable_cgroup() -> None:
    said: list[str] = []
    made = open_cgroups(os.getpid(), own_homes(), said.append)
    if made is None:
        pytest.skip(said[-1])
    made.clear()


@pytest.mark.usefixtures("writable_cgroup")
def test_a_worker_over_its_memory_limit_ends_its_run_with_the_numbers(
    agent: Agent, keeper: KeeperProcess, spec: k.ProcessSpec
) -> None:
    worker = agent.launch(msgspec.structs.replace(spec, memory_bytes=LIMIT))
    other = agent.launch(spec)
    run = agent.execute(worker, ["say", "eating"], ["eat", 400])
    got = agent.ended(run)
    assert (got.text, got.reason.code) == ("eating", "out-of-memory")
    assert got.reason.fields["limit_bytes"] == LIMIT
    assert 0.9 * LIMIT < got.reason.fields["peak_bytes"] <= LIMIT
    assert "limit of 96 MiB" in got.reason.message
    assert agent.ended(agent.execute(other, ["eat", 200])).text == "ate 200"


@pytest.mark.usefixtures("writable_cgroup")
def test_a_kill_below_the_limit_is_not_called_out_of_memory(agent: Agent, spec: k.ProcessSpec) -> None:
    worker = agent.launch(msgspec.structs.replace(spec, memory_bytes=LIMIT))
    run = agent.execute(worker, ["signal_self", 9])
    assert agent.ended(run).reason.code == "worker-killed"


@pytest.mark.usefixtures("writable_cgroup")
def test_a_limit_that_cannot_be_set_is_a_reason_not_to_start(agent: Agent, spec: k.ProcessSpec) -> None:
    worker = agent.launch(msgspec.structs.replace(spec, memory_bytes=-5_000_000))
    error = agent.exited(worker).error
    assert error.code == "worker-not-started"
    assert "-5,000,000 bytes" in error.message


@pytest.mark.usefixtures("writable_cgroup")
def test_cgroups_go_with_their_workers_and_with_the_keeper(
    agent: Agent, keeper: KeeperProcess, spec: k.ProcessSpec, places: Places
) -> None:
    folder = Path(msgspec.json.decode(places.keeper_lock.read_bytes())["cgroup"])
    worker = agent.launch(spec)
    pid = agent.ready(worker).pid
    assert str(pid) in (folder / worker / "cgroup.procs").read_text().split()
    agent.execute(worker, ["leave", 0])
    agent.exited(worker)
    eventually(lambda: not (folder / worker).exists(), "the worker's cgroup is gone")
    agent.send(k.Quit())
    keeper.wait()
    assert not folder.exists()


@pytest.mark.usefixtures("writable_cgroup")
def test_empty_cgroups_of_keepers_that_were_killed_are_swept_away() -> None:
    home = own_homes()[0]
    dead = subprocess.Popen(["true"])
    dead.wait()
    left, living = home.path / f"farcell-{dead.pid}", home.path / f"farcell-{os.getppid()}"
    (left / "w-1").mkdir(parents=True)
    living.mkdir()
    made = open_cgroups(os.getpid(), [home], lambda _text: None)
    assert made is not None
    made.clear()
    assert (left.exists(), living.exists()) == (False, True)
    living.rmdir()


@pytest.fixture
def small_disk(places: Places) -> Iterator[Path]:
    """2 MiB for the spool."""
    if os.getuid() != 0:
        pytest.skip("only root can mount a small file system to fill")
    places.spool.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(places.spool)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system to fill: {mounted.stderr.strip()}")
    yield places.spool
    subprocess.run(["umount", "-l", str(places.spool)], check=True)


def test_a_full_disk_ends_the_run_that_wrote_and_no_other(
    small_disk: Path, start_keeper: Callable[..., KeeperProcess], spec: k.ProcessSpec
) -> None:
    agent = start_keeper().agent()
    other = agent.launch(spec)
    patient = agent.execute(other, ["say", "before"], ["until_interrupted"])
    agent.said(patient, "before")
    worker = agent.launch(spec)
    run = agent.execute(worker, ["lines", 100, 100_000])
    got = agent.ended(run)
    assert (got.end.outcome, got.reason.code) == ("lost", "disk-full")
    assert "No space left on device" in got.reason.message
    assert 5 < len(got.frames) < 25
    assert agent.exited(worker).error.code == "disk-full"
    agent.send(k.Ack(run, got.receiver.last))
    agent.send(k.SendInterrupt(other, patient))
    assert agent.ended(patient).text == "beforewaitinginterrupted"
    assert agent.ended(agent.execute(other, ["lines", 10, 100_000])).end.outcome == "ok"


def test_the_end_of_a_run_is_kept_and_resumed_even_without_a_byte_of_disk(
    small_disk: Path, start_keeper: Callable[..., KeeperProcess], spec: k.ProcessSpec
) -> None:
    keeper = start_keeper()
    agent = keeper.agent()
    worker = agent.launch(spec)
    agent.ready(worker)
    with open(small_disk / "filler", "wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_bsize)
    run = agent.execute(worker, ["say", "no room"])
    assert [frame.reason.code for frame in agent.ended(run).frames] == ["disk-full"]  # type: ignore[union-attr]
    second = keeper.agent()
    second.send(k.Resume(run, 0))
    assert second.ended(run).frames == agent.runs[run].frames
