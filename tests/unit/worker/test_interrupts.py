"""SIGINT from the keeper: code of a user's stops, nothing else is harmed."""

import os
import re
import signal
import time
from collections.abc import Iterator

import pytest

from farcell_protocol.frames import Frame
from farcell_protocol.messages.cells import Cell
from farcell_protocol.messages.work import Began
from tests.unit.worker.standin import PYTHON, FarWorker, Ran, until, value_of
from tests.unit.worker.talk import pressed

_GO = "print('go', flush=True)\n"


def interrupted(worker: FarWorker, source: str, **fields: object) -> tuple[Ran, float]:
    """Run a cell that says "go" and then does not end; interrupt it; its frames and how long it took to end."""
    cell = Cell(source, PYTHON, **fields)  # type: ignore[arg-type]
    frames = worker.frames(worker.send(cell))
    seen = list(_until_go(frames))
    began = time.monotonic()
    with pressed(worker):
        seen += frames
    return Ran(seen), time.monotonic() - began


def _until_go(frames: Iterator[Frame]) -> Iterator[Frame]:
    for frame in frames:
        yield frame
        if "go\n" in Ran([frame]).text():
            return


@pytest.mark.parametrize(
    "stuck",
    [
        "i = 3\nwhile True: i *= i",
        "while True: pass",
        "import time; time.sleep(60)",
        "!sleep 60",
        "import subprocess; subprocess.run(['sleep', '60'])",
        "%%bash\nsleep 60",
        "import asyncio\nawait asyncio.sleep(60)",
        "import asyncio\nawait asyncio.gather(asyncio.sleep(60), asyncio.sleep(60))",
        "await asyncio.sleep(0)\nwhile True: pass",
        "import threading; threading.Event().wait()",
        # As locally: only the command is hit. It says "go" itself: a press before it is there hits nobody.
        "import os\nif os.system('echo go; sleep 60'): raise KeyboardInterrupt",
        "import ctypes\nwhile True: ctypes.CDLL(None).usleep(300_000)",
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'while True: pass'])\n"
        "if child.wait() < 0: raise RuntimeError",
        "class Slow:\n  def __repr__(self):\n    import time; time.sleep(60)\nSlow()",
        "while True: print('x' * 5000)",
        "while True: display('x' * 5000)",
    ],
)
def test_code_that_does_not_end_is_interrupted_within_two_seconds(worker: FarWorker, stuck: str) -> None:
    worker.run("import asyncio")
    magic = stuck.startswith("%%")
    says_go = stuck if "echo go" in stuck else _GO + stuck
    source = f"%%bash\necho go\n{stuck.removeprefix('%%bash')}" if magic else says_go
    ran, seconds = interrupted(worker, source)
    assert seconds < 2
    if not stuck.startswith(("!", "%%")):  # these two catch it themselves, as they do locally
        assert ran.error["ename"] == "KeyboardInterrupt"
        assert ran.end.outcome == "error"
    assert worker.run("1 + 1").result == "2"


def test_the_traceback_of_a_cancelled_await_names_its_line(worker: FarWorker) -> None:
    # Said by the loop, so that the cell is sure to be awaiting.
    says_go = "asyncio.get_running_loop().call_later(0.01, lambda: print('go', flush=True))"
    ran, _ = interrupted(worker, f"import asyncio\n{says_go}\nawait asyncio.sleep(60)", execution_count=7)
    assert "KeyboardInterrupt" in ran.traceback
    assert "CancelledError" not in ran.traceback
    assert "line 3" in re.sub(r"\x1b\[[0-9;]*m", "", ran.traceback)


def test_an_await_that_is_about_to_go_on_is_interrupted_before_it_does(worker: FarWorker) -> None:
    # The signal comes while the cell waits for its turn of the loop, which is the next one.
    source = (
        "import asyncio, os, signal\n"
        "asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)\n"
        "await asyncio.sleep(0)\n"
        "while True: pass"
    )
    assert worker.run(source).error["ename"] == "KeyboardInterrupt"
    assert worker.run("1 + 1").result == "2"


def test_the_traceback_of_an_interrupted_print_ends_at_the_users_line(worker: FarWorker) -> None:
    for source in ("while True: print('go', flush=True)", "while True: print('go', flush=True); display('x' * 5000)"):
        ran, _ = interrupted(worker, source)
        assert "line 1" in re.sub(r"\x1b\[[0-9;]*m", "", ran.traceback)
        assert "farcell_worker" not in ran.traceback


def test_a_cell_may_catch_it_and_go_on_and_be_interrupted_again(worker: FarWorker) -> None:
    source = (
        "import time\n"
        "for turn in range(2):\n"
        "  try:\n"
        "    print('go', flush=True); time.sleep(60)\n"
        "  except KeyboardInterrupt: print('caught', turn)\n"
        "'went on'"
    )
    frames = worker.frames(worker.send(Cell(source, PYTHON)))
    seen: list[Frame] = []
    for _ in range(2):
        seen += _until_go(frames)
        with pressed(worker):
            pass
    ran = Ran([*seen, *frames])
    assert ran.text() == "go\ncaught 0\ngo\ncaught 1\n"
    assert ran.result == "'went on'"


def test_names_bound_before_the_interrupt_come_back(worker: FarWorker) -> None:
    ran, _ = interrupted(worker, "x = 1\n" + _GO + "while True: pass", returns=["x"])
    assert ran.names_back() == ["x"]


def test_an_interrupt_that_comes_before_the_code_is_raised_as_it_begins(worker: FarWorker) -> None:
    for _ in range(20):
        run = worker.send(Cell("while True: pass", PYTHON))
        assert worker.records.next() == Began(run)
        with pressed(worker):
            ran = worker.collect(run, began=True)
        assert (ran.error["ename"], ran.end.outcome) == ("KeyboardInterrupt", "error")


def test_interrupts_that_race_the_end_hit_the_run_or_nothing_and_never_a_later_one(worker: FarWorker) -> None:
    outcomes = set()
    for n in range(150):
        run = worker.send(Cell("for _ in range(2000): pass", PYTHON, returns=["_"]))
        assert worker.records.next() == Began(run)
        time.sleep((n % 15) / 10_000)  # not a wait for anything: the moments themselves are what is tried
        os.killpg(worker.pid, signal.SIGINT)
        outcomes.add(worker.collect(run, began=True).end.outcome)
        assert worker.run("await asyncio.sleep(0); 1" if n % 2 else "import asyncio; 1").result == "1"
    assert outcomes <= {"ok", "error"}


def test_an_await_that_is_interrupted_as_it_ends_leaves_the_loop_whole(worker: FarWorker) -> None:
    worker.run("import asyncio")
    for n in range(100):
        run = worker.send(Cell("for _ in range(5): await asyncio.sleep(0.0001)", PYTHON))
        assert worker.records.next() == Began(run)
        time.sleep((n % 20) / 10_000)  # likewise
        os.killpg(worker.pid, signal.SIGINT)
        assert worker.collect(run, began=True).end.outcome in ("ok", "error")
    assert worker.run("await asyncio.sleep(0); 1").result == "1"


def test_an_interrupt_between_runs_does_nothing(worker: FarWorker) -> None:
    for _ in range(20):
        os.kill(worker.pid, signal.SIGINT)
    assert worker.run("'unharmed'").result == "'unharmed'"


def test_the_signal_is_taken_back_from_a_cell_that_took_it(worker: FarWorker) -> None:
    worker.run("import signal; signal.signal(signal.SIGINT, signal.SIG_IGN);")
    ran, _ = interrupted(worker, _GO + "while True: pass")
    assert ran.error["ename"] == "KeyboardInterrupt"


def test_results_that_are_being_pickled_can_be_interrupted_and_the_run_still_ends(worker: FarWorker) -> None:
    worker.run("class Slow:\n  def __reduce__(self):\n    print('go', flush=True)\n    while True: pass")
    ran, seconds = interrupted(worker, "a = 1\nslow = Slow()", returns=["a", "slow"])
    assert seconds < 2
    assert ran.names_back() == ["a"]
    assert ran.end.outcome == "ok"
    assert "interrupted while the results were being sent" in ran.text("stderr")
    assert worker.run("1").result == "1"


def test_values_that_are_being_loaded_can_be_interrupted(worker: FarWorker) -> None:
    worker.run("def load():\n  print('go', flush=True)\n  while True: pass")
    calls_load = b"\x80\x05c__main__\nload\n)R."
    ran, _ = interrupted(worker, "1", values=[value_of("v", calls_load)])
    assert ran.error["ename"] == "KeyboardInterrupt"
    assert ran.end.outcome == "error"
    assert worker.run("'v' in globals()").result == "False"


def test_a_storm_of_interrupts_never_breaks_the_stream(worker: FarWorker) -> None:
    source = (
        "while True:\n"
        "  try:\n"
        "    while not stop: print('x' * 200); display('y' * 2000)\n"
        "    break\n"
        "  except KeyboardInterrupt: pass\n"
    )
    worker.run("import threading\nstop = []\nthreading.Timer(1.0, lambda: stop.append(1)).start()")
    frames = worker.frames(worker.send(Cell(source, PYTHON)))
    kinds = set()
    for frame in frames:  # `frames` checks that numbers have no gap and every record can be read
        kinds.add(type(frame).__name__)
        os.kill(worker.pid, signal.SIGINT)
    assert kinds == {"Message", "End"}
    assert worker.run("2").result == "2"


def test_background_tasks_survive_an_interrupted_await(worker: FarWorker) -> None:
    worker.run(
        "import asyncio\nticks = []\nasync def tick():\n  while True:\n    ticks.append(1); await asyncio.sleep(0.01)"
    )
    worker.run("task = asyncio.create_task(tick())")
    interrupted(worker, _GO + "await asyncio.sleep(60)")
    until(lambda: worker.run("n = len(ticks); await asyncio.sleep(0.05); len(ticks) > n").result == "True")


def test_a_forked_child_takes_interrupts_as_its_own(worker: FarWorker) -> None:
    ran = worker.run(
        "import os, signal, time\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "  try: os.kill(os.getpid(), signal.SIGINT); time.sleep(60)\n"
        "  except KeyboardInterrupt: os._exit(7)\n"
        "os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])"
    )
    assert ran.result == "7"


def test_an_interrupt_that_a_finaliser_swallowed_comes_again(worker: FarWorker) -> None:
    source = (
        "import time\n"
        "class Swallows:\n"
        "  def __del__(self): print('go', flush=True); time.sleep(60)\n"
        "Swallows()\n"
        "None\n"
        "swallower = Swallows(); del swallower\n"
        "while True: time.sleep(1)"
    )
    ran, seconds = interrupted(worker, source)
    assert seconds < 2
    assert ran.error["ename"] == "KeyboardInterrupt"


def test_a_shell_command_interrupted_as_it_starts_is_stopped_all_the_same(worker: FarWorker) -> None:
    for delay_ms in range(10):
        frames = worker.frames(worker.send(Cell(_GO + "!sleep 60", PYTHON)))
        seen = list(_until_go(frames))
        time.sleep(delay_ms / 1000)  # not a wait for anything: the moments themselves are what is tried
        with pressed(worker):
            ran = Ran([*seen, *frames])
        assert {m.content["ename"] for m in ran.messages if m.msg_type == "error"} <= {"KeyboardInterrupt"}


def test_a_forked_process_that_leaves_the_cell_does_not_become_a_second_worker(worker: FarWorker) -> None:
    ran = worker.run(
        "import os\n"
        "pid = os.fork()\n"
        "if pid == 0: raise ValueError('child')\n"
        "os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])"
    )
    assert ran.result == "1"
    assert "ValueError: child (in a process that the cell forked)" in ran.text("stderr")
    assert worker.run("if os.fork() == 0: print('child')\nelse: os.wait()").text() == "child\n"
    assert worker.run("1").result == "1"
