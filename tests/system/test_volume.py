"""Floods, long lines, odd bytes, thousands of displays: all of it is in the log, little of it in any process's memory.

Memory is the peak of what a process has resident during the cell, less what it had before.
"""

import base64
import hashlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from farcell_protocol.frames import MAX_FRAME_BYTES
from tests.fakes.waiting import eventually
from tests.system.installation import PYTHON, Installation, rest
from tests.system.memory import MiB, Peaks, on_the_road
from tests.system.notebooks import Notebook, Shown

pytestmark = pytest.mark.xdist_group("volume")

ALLOWED = 64 * MiB
"""By how much each process may grow over a flood, however large it is."""

SHOWN_AT_MOST = 10_600_000
"""Characters of text that a cell gives a notebook: see `farcell.bounds`."""

SIZES = [pytest.param(30, id="30 MB"), pytest.param(1000, id="1 GB", marks=pytest.mark.system)]


@pytest.fixture(scope="module")
def notebook(shared_home: Installation, shared_kernel: Notebook) -> Iterator[Notebook]:
    """A notebook whose one worker has run a cell. Its logs are large, and nobody needs them afterwards."""
    shared_kernel.ok("%%gpu cpu\nimport os, subprocess, sys, time\nfrom IPython.display import display\nprint('warm')")
    yield shared_kernel
    for log in shared_home.places.run_logs.glob("*.log"):
        log.unlink()


@pytest.fixture
def peaks(shared_home: Installation, notebook: Notebook) -> Iterator[Peaks]:
    """The processes of the road; each must have stayed within bounds afterwards."""
    road = on_the_road(shared_home, notebook)
    yield road
    print(road.growth_mib())
    assert max(road.growth().values()) < ALLOWED, road.growth_mib()


def text_with_notes(shown: Shown) -> str:
    """Text in its order, with the line between head and tail as it stands in the end."""
    parts: dict[str, str] = {}
    for at, message in enumerate(shown.messages):
        content = message["content"]
        data = content.get("data", {}).get("text/plain", "")
        if message["msg_type"] == "stream":
            parts[str(at)] = content["text"]
        elif " more: farcell logs " in data:
            parts[content["transient"]["display_id"]] = data
    return "".join(parts.values())


def logged(home: Installation, run: str) -> tuple[int, str]:
    """How many bytes `farcell logs` gives of a run, and their hash."""
    size, digest = 0, hashlib.sha256()
    command = [PYTHON, "-m", "farcell_executor.cli", "logs", run]
    with subprocess.Popen(command, env=home.environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while piece := process.stdout.read(MiB):
            size += len(piece)
            digest.update(piece)
    assert process.returncode == 0
    return size, digest.hexdigest()


def lines(first: int, last: int) -> str:
    """What the floods print: a hundred bytes a line."""
    return "".join([f"{n:09} {'x' * 89}\n" for n in range(first, last)])


def all_lines(count: int, last: str = "") -> tuple[int, str]:
    """The size of so many lines and something last, and their hash."""
    digest = hashlib.sha256()
    for first in range(0, count, 1000):
        digest.update(lines(first, first + 1000).encode())
    digest.update(last.encode())
    return count * 100 + len(last), digest.hexdigest()


FLOODS = {
    "print": "for n in range(COUNT): print(f'{n:09}', 'x' * 89)\n'done'",
    "os.write": "for n in range(0, COUNT, 100):\n"
    "    os.write(1, b''.join(b'%09d %s\\n' % (m, b'x' * 89) for m in range(n, n + 100)))\n'done'",
    "child": "flood = 'import sys\\nfor n in range(0, COUNT, 100):'\n"
    "flood += ' sys.stdout.write(\"\".join([f\"{m:09} {\\'x\\' * 89}\\\\n\" for m in range(n, n + 100)]))'\n"
    "done = subprocess.run([sys.executable, '-c', flood]); 'done'",
}


@pytest.mark.parametrize("size_mb", SIZES)
@pytest.mark.parametrize("how", FLOODS)
@pytest.mark.timeout(400)
def test_a_flood_is_shown_by_its_ends_and_logged_whole(
    shared_home: Installation, notebook: Notebook, peaks: Peaks, how: str, size_mb: int
) -> None:
    count = size_mb * 10_000
    shown = notebook.ok("%%gpu cpu\n" + FLOODS[how].replace("COUNT", str(count)), timeout_s=300)
    text = text_with_notes(shown)
    assert len(text) < SHOWN_AT_MOST
    assert text.startswith(lines(0, 99_000))
    assert text.endswith(lines(count - 1999, count))
    assert re.search(r"\[(\d\d|\d\d\d) MB more: farcell logs (r-\w+)", text)
    said = [m["msg_type"] for m in shown.messages if m["msg_type"] in ("stream", "execute_result")]
    assert said.index("execute_result") == len(said) - 1, "the last byte of a child comes before the result"
    assert logged(shared_home, shown.run) == all_lines(count, "'done'\n")


def test_all_lines_of_a_flood_are_in_its_log(shared_home: Installation, notebook: Notebook, peaks: Peaks) -> None:
    shown = notebook.ok("%%gpu cpu\n" + FLOODS["print"].replace("COUNT", "300_000").removesuffix("\n'done'"))
    assert logged(shared_home, shown.run) == all_lines(300_000)
    printed = notebook.ok(f"%gpu logs {shown.run}").text.encode()
    assert (len(printed), hashlib.sha256(printed).hexdigest()) == all_lines(300_000)


@pytest.mark.parametrize("size_mb", [20, pytest.param(200, marks=pytest.mark.system)])
def test_one_long_line_takes_no_more_memory_than_itself(
    shared_home: Installation, notebook: Notebook, size_mb: int
) -> None:
    size = size_mb * 1_000_000
    road = on_the_road(shared_home, notebook)
    shown = notebook.ok(f"%%gpu cpu\nprint('z' * {size})", timeout_s=120)
    growth = road.growth()
    growth["worker"] -= size  # the code's own
    assert max(growth.values()) < ALLOWED, road.growth_mib()
    assert text_with_notes(shown).endswith("z" * 100_000 + "\n")
    assert logged(shared_home, shown.run)[0] == size + 1


def test_odd_bytes_harm_nothing(notebook: Notebook) -> None:
    odd = b"\xff\xfe half: \xe2\x82 nul: \0 \x1b[31mred\x1b[0m \x1b[2J\x07\b \x9b4m \xed\xa0\x80 end\n"
    said = notebook.ok(f"%%gpu cpu\nos.write(1, {odd!r})\nos.write(2, {odd!r});").text
    assert said.count("nul: \0 \x1b[31mred\x1b[0m \x1b[2J\x07\b") == 2
    assert said == odd.decode(errors="replace") * 2


def test_ten_thousand_displays_come_each_once_and_in_order(notebook: Notebook, peaks: Peaks) -> None:
    shown = notebook.ok("%%gpu cpu\nfor n in range(10_000): display(n)", timeout_s=120)
    displays = [m["content"]["data"]["text/plain"] for m in shown.messages if m["msg_type"] == "display_data"]
    assert [text for text in displays if text.isdecimal()] == [str(n) for n in range(10_000)]


def test_a_large_image_is_whole_and_no_hop_holds_it_but_its_ends(shared_home: Installation, notebook: Notebook) -> None:
    size = 50_000_000
    road = on_the_road(shared_home, notebook)
    shown = notebook.ok(
        f"%%gpu cpu\nimport hashlib\nimage = os.urandom({size})\n"
        "display({'image/png': image}, raw=True); hashlib.sha256(image).hexdigest()",
        timeout_s=120,
    )
    growth = road.growth()
    (image,) = [base64.b64decode(data["image/png"]) for data in shown.displays if "image/png" in data]
    assert repr(hashlib.sha256(image).hexdigest()) == shown.result
    assert max(growth["keeper"], growth["executor"]) < ALLOWED, road.growth_mib()
    assert max(growth["worker"], growth["kernel"]) < 8 * size, road.growth_mib()
    assert largest_record(shared_home.places.run_logs / f"{shown.run}.log") < MAX_FRAME_BYTES


def largest_record(log: Path) -> int:
    """The size of the largest frame of a run log."""
    data, at, largest = log.read_bytes(), 0, 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        at, largest = at + 4 + size, max(largest, size)
    return largest


@pytest.mark.parametrize(
    "step",
    [
        "n += 1; bar.update()",
        "n += 1; print(f'\\r{n}it', end='')",
        "n += 1; os.write(2, b'\\r%dit' % n)",
    ],
)
def test_a_progress_bar_in_a_tight_loop_comes_ten_times_a_second(
    shared_home: Installation, notebook: Notebook, peaks: Peaks, step: str
) -> None:
    shown = notebook.ok(
        f"%%gpu cpu\n{'from tqdm import tqdm; bar = tqdm(mininterval=0, miniters=1)' if 'bar' in step else ''}\n"
        "n, end = 0, time.monotonic() + 3\n"
        f"while time.monotonic() < end: {step}\n"
        "n"
    )
    assert int(shown.result) > 10_000
    assert re.search(rf"\r{shown.result}it[^\r]*$", shown.text)
    assert rest(shared_home.places, f"/v1/runs/{shown.run}")["frames"] < 3 * 12 + 20


@pytest.mark.parametrize("size_mb", SIZES)
@pytest.mark.timeout(400)
def test_a_flood_that_nobody_looks_at_is_logged(
    shared_home: Installation, notebook: Notebook, peaks: Peaks, size_mb: int
) -> None:
    count = size_mb * 10_000
    source = FLOODS["os.write"].replace("COUNT", str(count)).removesuffix("\n'done'")
    run = notebook.ok(f"%%gpu cpu --detach\n{source}").run
    eventually(lambda: state_of(shared_home, run) == "ended", "the flood ends", 300)
    assert logged(shared_home, run) == all_lines(count)


def flooding(home: Installation, notebook: Notebook) -> tuple[str, Shown, str]:
    """A cell that prints without end, once a million characters of it have come: request, what it showed, run."""
    request = notebook.send("%%gpu cpu\nwhile True: os.write(1, b'x' * 99 + b'\\n')")
    shown = notebook.finish(request, until=lambda shown: len(shown.text) > 1_000_000)
    return request, shown, next(run["run"] for run in rest(home.places, "/v1/runs") if run["state"] == "running")


def test_readers_that_stand_still_hold_up_no_control_and_grow_no_memory(
    shared_home: Installation, notebook: Notebook, peaks: Peaks
) -> None:
    request, shown, run = flooding(shared_home, notebook)
    command = [PYTHON, "-m", "farcell_executor.cli", "logs", "--follow", run]
    with subprocess.Popen(command, env=shared_home.environment, stdout=subprocess.PIPE) as unread:
        os.kill(notebook.pid, signal.SIGSTOP)
        try:
            frames = frames_of(shared_home, run)
            eventually(lambda: frames_of(shared_home, run) > frames + 1000, "the flood goes on", 60)
            began = time.monotonic()
            assert shared_home.farcell("cancel", run).returncode == 0
            eventually(lambda: state_of(shared_home, run) == "ended", "it ends at once")
            assert time.monotonic() - began < 4, "2 s, and the start of the command"
        finally:
            os.kill(notebook.pid, signal.SIGCONT)
            unread.kill()
    assert notebook.finish(request, shown=shown).status == "error"
    assert notebook.ok("%%gpu cpu\n'alive'").result == "'alive'"


def test_a_reader_of_a_kilobyte_a_second_harms_neither_the_control_nor_the_other_follower(
    shared_home: Installation, notebook: Notebook, peaks: Peaks
) -> None:
    request, shown, run = flooding(shared_home, notebook)
    with slow_reader(shared_home, run) as (reader, read):
        eventually(lambda: len(read) == 1, "it reads")
        memory, frames = Peaks({"reader": reader.pid}), frames_of(shared_home, run)
        eventually(lambda: len(read) >= 4 and frames_of(shared_home, run) > frames + 1000, "the flood goes on", 60)
        notebook.interrupt()
        began = time.monotonic()
        shown = notebook.finish(request, shown=shown)
        assert time.monotonic() - began < 2
        assert reader.poll() is None
        assert memory.growth()["reader"] < ALLOWED, memory.growth_mib()
        assert sum(read) <= 1000 * len(read)
    assert shown.status == "error"
    assert "FarInterrupt" in [error["ename"] for error in shown.errors]
    assert re.search(r"\[[\d.]+ MB more: farcell logs r-\w+", text_with_notes(shown))
    assert notebook.ok("%%gpu cpu\n'alive'").result == "'alive'"


@contextmanager
def slow_reader(home: Installation, run: str) -> Iterator[tuple["subprocess.Popen[bytes]", list[int]]]:
    """A follower of a run whose output is read by a thousand bytes a second, and how much was read each time."""
    command = [PYTHON, "-m", "farcell_executor.cli", "logs", "--follow", run]
    over, read = threading.Event(), list[int]()

    def read_on(fd: int) -> None:
        read.append(len(os.read(fd, 1000)))
        while not over.wait(1.0):
            read.append(len(os.read(fd, 1000)))

    with subprocess.Popen(command, env=home.environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        thread = threading.Thread(target=read_on, args=[process.stdout.fileno()])
        thread.start()
        try:
            yield process, read
        finally:
            over.set()
            process.kill()
            thread.join()


def state_of(home: Installation, run: str) -> str:
    return str(rest(home.places, f"/v1/runs/{run}")["state"])


def frames_of(home: Installation, run: str) -> int:
    return int(rest(home.places, f"/v1/runs/{run}").get("frames", 0))
