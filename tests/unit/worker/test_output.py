"""Everything a cell can say, and that all of it arrives, once and in order."""

import base64
import hashlib
import re
import shutil
import sys
import time
from pathlib import Path

import pytest

from farcell_protocol.frames import MAX_FRAME_BYTES
from farcell_protocol.framing import pack
from farcell_protocol.messages.cells import Cell
from tests.unit.worker.standin import PYTHON, FarWorker, until


def test_a_long_printing_loop_loses_nothing_and_stays_in_small_frames(worker: FarWorker) -> None:
    ran = worker.run("for i in range(20_000): print(i)")
    assert ran.text() == "".join(f"{i}\n" for i in range(20_000))
    assert len(ran.frames) < 60


def test_text_is_sent_while_the_cell_still_runs(worker: FarWorker) -> None:
    run = worker.send(Cell("print('early')\nimport time\nwhile True: time.sleep(0.01)", PYTHON))
    assert next(worker.frames(run)).content == {"name": "stdout", "text": "early\n"}  # type: ignore[union-attr]


def test_what_was_flushed_survives_the_process(worker: FarWorker) -> None:
    run = worker.send(Cell("print('last words', flush=True)\nimport os; os._exit(1)", PYTHON))
    assert next(worker.frames(run)).content["text"] == "last words\n"  # type: ignore[union-attr]


def test_text_of_both_streams_keeps_its_order(worker: FarWorker) -> None:
    ran = worker.run("import sys\nfor i in range(5):\n  print(i)\n  print(-i, file=sys.stderr)")
    assert [m.content["name"] for m in ran.messages] == ["stdout", "stderr"] * 5


def test_all_threads_are_heard_and_their_lines_stay_whole(worker: FarWorker) -> None:
    ran = worker.run(
        "import threading\n"
        "def say(k):\n"
        "  for i in range(500): print(f'{k}:{i}\\n', end='')\n"
        "threads = [threading.Thread(target=say, args=(k,)) for k in range(4)]\n"
        "for t in threads: t.start()\n"
        "for t in threads: t.join()"
    )
    assert sorted(ran.text().split()) == sorted(f"{k}:{i}" for k in range(4) for i in range(500))


def test_text_between_two_runs_goes_with_the_next(worker: FarWorker) -> None:
    worker.run(
        "import threading\n"
        "go, said = threading.Event(), threading.Event()\n"
        "def say(): go.wait(); print('in between'); said.set()\n"
        "threading.Thread(target=say).start()\n"
        "import asyncio\n"
        "asyncio.get_event_loop().call_soon(go.set)"
    )
    assert worker.run("said.wait(); print('now')").text() == "in between\nnow\n"


def test_a_thread_that_goes_on_printing_between_runs_does_not_fill_the_memory(
    worker: FarWorker, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    worker.run(
        "import threading, asyncio, pathlib\n"
        "go = threading.Event()\n"
        "def say():\n"
        "  go.wait()\n"
        "  for i in range(300): print('x' * 9_999)\n"
        f"  pathlib.Path({str(said)!r}).touch()\n"
        "threading.Thread(target=say).start()\n"
        "asyncio.get_event_loop().call_soon(go.set)"
    )
    until(said.exists)
    ran = worker.run("print('now')")
    assert len(ran.text()) < 1.2 * 2**20
    assert "characters written between the runs were dropped" in ran.text("stderr")
    assert ran.text().endswith("x\nnow\n")


def test_descriptors_and_c_buffers_are_heard(worker: FarWorker) -> None:
    ran = worker.run(
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None)\n"
        "os.write(1, b'descriptor\\n')\n"
        "libc.printf(b'from C\\n')\n"
        "_ = os.write(2, b'error\\n')"
    )
    assert ran.text() == "descriptor\nfrom C\n"
    assert ran.text("stderr") == "error\n"


def test_bytes_cut_in_the_middle_of_a_character_are_joined(worker: FarWorker) -> None:
    assert worker.run("import os\nfor b in 'aé€'.encode(): os.write(1, bytes([b]))").text() == "aé€"
    assert worker.run("import sys\nfor b in 'aé€'.encode(): sys.stdout.buffer.write(bytes([b]));").text() == "aé€"


def test_a_child_that_writes_without_end_does_not_keep_the_cell_from_ending(worker: FarWorker) -> None:
    ran = worker.run("import subprocess; p = subprocess.Popen(['yes'])")
    assert ran.end.outcome == "ok"
    assert worker.run("p.kill(); p.wait()").result == "-9"


def test_forked_processes_are_heard_and_say_things_once(worker: FarWorker) -> None:
    ran = worker.run(
        "import multiprocessing as m\n"
        "print('before')\n"
        "def f(i): print('child', i); return i * i\n"
        "with m.get_context('fork').Pool(2) as pool: found = pool.map(f, range(4))\n"
        "print(found)"
    )
    assert sorted(ran.text().splitlines()) == sorted(
        ["before", "child 0", "child 1", "child 2", "child 3", "[0, 1, 4, 9]"]
    )
    assert worker.run("1").result == "1"


def test_process_pools_work(worker: FarWorker) -> None:
    ran = worker.run(
        "from concurrent.futures import ProcessPoolExecutor\n"
        "with ProcessPoolExecutor(2) as pool: print(list(pool.map(abs, [-1, -2])))"
    )
    assert ran.text() == "[1, 2]\n"


def test_shell_commands_and_cell_magics_work(worker: FarWorker) -> None:
    assert worker.run("!echo hello").text().split() == ["hello"]
    assert worker.run("files = !echo one; echo two\nprint(files)").text() == "['one', 'two']\n"
    assert worker.run("%%bash\necho from bash\necho oops >&2").text() == "from bash\n"
    assert "Wall time" in worker.run("%%time\n1").text()
    assert worker.run("%%capture out\nprint(5)").kinds() == []
    assert worker.run("out.stdout").result == r"'5\n'"


def test_top_level_await_works_and_tasks_go_on_between_runs(worker: FarWorker) -> None:
    assert worker.run("import asyncio\nawait asyncio.sleep(0.01)\n'slept'").result == "'slept'"
    worker.run(
        "done = asyncio.Event()\n"
        "task = asyncio.create_task(asyncio.sleep(0.01))\n"
        "task.add_done_callback(lambda t: done.set())"
    )
    assert worker.run("await done.wait()").result == "True"


def test_code_that_stops_the_loop_or_the_session_stops_neither(worker: FarWorker) -> None:
    assert worker.run("import asyncio; asyncio.get_event_loop().stop()").end.outcome == "ok"
    assert "does not end a far session" in worker.run("quit()").text("stderr")
    worker.run("async def leave(): raise SystemExit\ntask = asyncio.create_task(leave())")
    assert worker.run("await asyncio.sleep(0.01)").end.outcome == "ok"
    assert worker.run("1").result == "1"


def test_asking_for_input_is_a_clear_error(worker: FarWorker) -> None:
    for source in ("input('name? ')", "import getpass; getpass.getpass()"):
        error = worker.run(source).error
        assert error["ename"] == "StdinNotImplementedError"
        assert "does not support input requests" in error["evalue"]
    assert worker.run("import sys; sys.stdin.read()").result == "''"


def test_text_that_is_not_utf8_and_content_that_is_not_msgpack_still_arrives(worker: FarWorker) -> None:
    assert worker.run(r"print('a\ud800b')").text() == "a\\ud800b\n"
    ran = worker.run("from IPython.display import JSON\nJSON({'n': 2**80, 's': '\\udc00'})")
    assert ran.only("execute_result").content["data"]["application/json"] == {"n": float(2**80), "s": "\\udc00"}


def test_large_texts_are_cut_and_large_errors_shortened(worker: FarWorker) -> None:
    ran = worker.run("print('€' * 1_000_000); raise ValueError('x' * 5_000_000)")
    assert ran.text() == "€" * 1_000_000 + "\n"
    assert all(len(pack(frame)) < MAX_FRAME_BYTES for frame in ran.frames)
    assert ran.error["evalue"].startswith("xxx")
    assert ran.end.outcome == "error"


def test_a_display_beyond_all_limits_says_so_instead(worker: FarWorker) -> None:
    ran = worker.run("from IPython.display import HTML\nHTML('x' * (130 * 2**20))")
    assert "over the limit" in ran.result


def test_nothing_of_what_was_said_is_kept(worker: FarWorker) -> None:
    worker.run("for n in range(1000): print(n)\ndisplay(1)\n2")
    assert worker.run("dict(get_ipython().history_manager.outputs)").result == "{}"


def test_a_large_image_comes_whole_in_small_frames(worker: FarWorker) -> None:
    ran = worker.run("import os\nimage = os.urandom(10_000_000)\ndisplay({'image/png': image}, raw=True)")
    image = base64.b64decode(ran.only("display_data").content["data"]["image/png"])
    digest = worker.run("import hashlib; hashlib.sha256(image).hexdigest()").result
    assert digest == repr(hashlib.sha256(image).hexdigest())


PROGRESS = (
    "import sys, time, os\n"
    "end, n = time.monotonic() + 0.55, 0\n"
    "while time.monotonic() < end or n < 2000:\n"
    "    n += 1; {say}\n"
)


@pytest.mark.parametrize(
    "say",
    [
        "print('\\rstep', n, end='', flush=True)",
        "print('step', n, end='\\r', flush=True)",
        "print('\\rstep', n, end='')",
        "os.write(1, b'\\rstep %d' % n)",
        "n % 100 or os.system(''); print('\\rstep', n, end='', file=sys.stderr, flush=True)",
    ],
)
def test_a_line_that_overwrites_itself_comes_ten_times_a_second_and_ends_as_it_should(
    worker: FarWorker, say: str
) -> None:
    ran = worker.run(PROGRESS.format(say=say) + "n")
    seconds = max(0.55, int(ran.result) / 2000)
    assert len(ran.frames) < 12 * seconds + 18
    assert (ran.text() + ran.text("stderr")).rstrip("\r").endswith(f"step {ran.result}")


def test_an_animation_and_updates_of_a_display_come_ten_times_a_second(worker: FarWorker) -> None:
    animated = "from IPython.display import clear_output\n" + PROGRESS.format(say="clear_output(wait=True); display(n)")
    began = time.monotonic()
    ran = worker.run(animated + "n")
    # Two frames a state; a busy machine needs longer for them, and so is shown more of them.
    assert len(ran.frames) < 20 * (time.monotonic() - began) + 38
    assert ran.messages[-2].content["data"] == {"text/plain": ran.result}
    updated = "handle = display(0, display_id=True)\n" + PROGRESS.format(say="handle.update(n)")
    began = time.monotonic()
    ran = worker.run(updated + "n")
    assert len(ran.frames) < 10 * (time.monotonic() - began) + 24
    assert ran.messages[-2].content["data"] == {"text/plain": ran.result}


def test_a_binary_buffer_of_a_display_is_carried(worker: FarWorker) -> None:
    ran = worker.run("display({'image/png': b'\\x89PNG'}, raw=True)")
    assert ran.only("display_data").content["data"] == {"image/png": "iVBORw=="}


def test_a_finaliser_that_prints_in_the_middle_of_sending_does_no_harm(worker: FarWorker) -> None:
    ran = worker.run(
        "class Loud:\n"
        "  def __del__(self): print('gone', flush=True)\n"
        "import gc\n"
        "for i in range(300):\n"
        "  a = Loud(); a.me = a; del a\n"
        "  display(i)\n"
        "gc.collect();"
    )
    assert ran.text().count("gone\n") == 300
    assert ran.kinds().count("display_data") == 300


def test_tracebacks_begin_at_the_users_line_and_show_functions_of_earlier_cells(worker: FarWorker) -> None:
    worker.run("def f(x):\n    return 1 / x", execution_count=3)
    trace = re.sub(r"\x1b\[[0-9;]*m", "", worker.run("y = 2\n\nf(0)", execution_count=4).traceback)
    assert "Cell In[4], line 3" in trace
    assert "Cell In[3], line 2" in trace
    assert "farcell_worker" not in trace


def test_a_plot_is_shown_at_the_end_of_the_cell(worker: FarWorker) -> None:
    pytest.importorskip("matplotlib")
    ran = worker.run("import matplotlib.pyplot as plt\nplt.plot([1, 2]);")
    assert "image/png" in ran.only("display_data").content["data"]
    assert worker.run("%matplotlib inline\nplt.plot([1, 2]);").only("display_data")


def test_names_of_the_prompt_work(worker: FarWorker) -> None:
    assert worker.run("21 * 2").result == "42"
    assert worker.run("_, _1, Out[1], In[1]").result == "(42, 42, 42, '21 * 2')"


@pytest.mark.skipif(shutil.which("cat") is None, reason="needs cat")
def test_the_streams_can_be_given_to_children(worker: FarWorker) -> None:
    ran = worker.run(
        "import subprocess, sys; subprocess.run(['echo', 'x'], stdout=sys.stdout); subprocess.run(['cat'])"
    )
    assert ran.text() == "x\n"


def test_the_version_of_python_is_the_zygotes(worker: FarWorker) -> None:
    assert worker.run("import sys; sys.executable").result == repr(sys.executable)
