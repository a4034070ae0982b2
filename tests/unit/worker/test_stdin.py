"""`input()` and its kin in a far cell, and what a running cell is told."""

import os
import re
import signal

import pytest

from farcell_protocol.frames import End, Frame, Heard
from farcell_protocol.messages.cells import Cell, InputReply
from tests.fakes.waiting import is_running
from tests.unit.worker.standin import PYTHON, FarWorker, Ran
from tests.unit.worker.talk import answer_all, asking, is_a


def test_input_asks_after_all_output_and_gets_the_answer(worker: FarWorker) -> None:
    ran = answer_all(worker, "print('first', end=''); name = input('who? '); print(f'hello {name}')", "Ada")
    assert ran.kinds() == ["stream", "input_request", "stream"]
    assert ran.only("input_request").content == {"prompt": "who? ", "password": False}
    assert ran.text() == "firsthello Ada\n"


def test_a_password_is_asked_for_as_one(worker: FarWorker) -> None:
    ran = answer_all(worker, "from getpass import getpass\nlen(getpass())", "secret")
    assert ran.only("input_request").content == {"prompt": "", "password": True}
    assert ran.result == "6"


def test_a_cell_may_ask_again_and_gets_each_answer_once(worker: FarWorker) -> None:
    assert answer_all(worker, "[input(), input(), input()]", "a", "", "c").result == "['a', '', 'c']"


def test_the_output_of_children_comes_before_the_question(worker: FarWorker) -> None:
    ran = answer_all(worker, "import os\nos.system('echo child'); input()", "x")
    assert ran.kinds() == ["stream", "input_request", "execute_result"]


def test_an_answer_is_heard_in_its_run(worker: FarWorker) -> None:
    run, seen = asking(worker, "input()")
    tell = worker.tell(run, InputReply(len(seen), "x"))
    assert worker.next(run) == Heard([tell])


def test_the_same_answer_told_twice_is_heard_twice_and_given_once(worker: FarWorker) -> None:
    run, seen = asking(worker, "[input('1'), input('2')]")
    tell = worker.tell(run, InputReply(len(seen), "a"))
    worker.tell(run, InputReply(len(seen), "b"), tell)
    seen += worker.up_to(run, is_a("input_request"))
    while _heard(seen).count(tell) != 2:
        seen.append(worker.next(run))
    worker.tell(run, InputReply(_number_of(seen, "2"), "c"))
    assert Ran([*seen, *worker.frames(run)]).result == "['a', 'c']"


def test_a_late_answer_to_an_earlier_question_answers_no_other(worker: FarWorker) -> None:
    run, seen = asking(worker, "try: input('1')\nexcept KeyboardInterrupt: pass\ninput('2')")
    os.kill(worker.pid, signal.SIGINT)
    seen += worker.up_to(run, is_a("input_request"))
    worker.tell(run, InputReply(1, "late"))
    worker.tell(run, InputReply(_number_of(seen, "2"), "right"))
    assert Ran(list(worker.frames(run))).result == "'right'"


def test_what_is_told_to_an_ended_run_is_neither_obeyed_nor_heard(worker: FarWorker) -> None:
    ended, seen = asking(worker, "input()")
    worker.tell(ended, InputReply(len(seen), "x"))
    list(worker.frames(ended))
    worker.tell(ended, InputReply(len(seen), "again"))
    assert answer_all(worker, "input()", "y").result == "'y'"


def test_an_interrupt_ends_the_wait_at_the_line_that_asked(worker: FarWorker) -> None:
    run, seen = asking(worker, "x = 1\nanswer = input('?')")
    os.kill(worker.pid, signal.SIGINT)
    ran = Ran([*seen, *worker.frames(run)])
    assert (ran.error["ename"], ran.error["evalue"]) == ("KeyboardInterrupt", "Interrupted by user")
    text = re.sub(r"\x1b\[[0-9;]*m", "", ran.traceback)
    assert "line 2" in text
    assert "farcell_worker" not in text
    assert worker.run("x").result == "1"


def test_input_after_an_await_and_beside_tasks_works(worker: FarWorker) -> None:
    ran = answer_all(
        worker, "import asyncio\nawait asyncio.sleep(0)\nname = input()\nawait asyncio.sleep(0)\nname", "x"
    )
    assert ran.result == "'x'"


def test_input_works_when_the_cell_has_stopped_the_loop(worker: FarWorker) -> None:
    ran = answer_all(worker, "import asyncio\nasyncio.get_running_loop().stop()\ninput()", "x")
    assert ran.result == "'x'"
    run, seen = asking(worker, "asyncio.get_running_loop().stop()\ninput()")
    os.kill(worker.pid, signal.SIGINT)
    assert Ran([*seen, *worker.frames(run)]).error["ename"] == "KeyboardInterrupt"


def test_the_end_of_input_is_an_eof_error(worker: FarWorker) -> None:
    assert answer_all(worker, "input()", "\x04").error["ename"] == "EOFError"


@pytest.mark.parametrize("source", ["input()", "import getpass; getpass.getpass()"])
def test_where_nobody_can_answer_a_question_is_refused(worker: FarWorker, source: str) -> None:
    ran = worker.run(source, allow_stdin=False)
    assert ran.error["ename"] == "StdinNotImplementedError"
    assert "does not support input requests" in ran.error["evalue"]


_REFUSED = {
    "a thread": "import concurrent.futures as f\nf.ThreadPoolExecutor().submit(input).result()",
    "a forked process": "import os\npid = os.fork()\nif not pid: input()\nos.waitpid(pid, 0)[1] or 1/0",
}


@pytest.mark.parametrize("where", _REFUSED)
def test_elsewhere_than_in_the_cell_itself_a_question_is_refused_and_never_hangs(worker: FarWorker, where: str) -> None:
    run = worker.send(Cell(_REFUSED[where], PYTHON, allow_stdin=True))
    ran = worker.collect(run)
    assert "input() works in a far cell's main thread only" in str(ran.messages)
    assert worker.run("1").result == "1"
    assert is_running(worker.pid)


def test_input_outside_of_cells_fails_at_once(worker: FarWorker) -> None:
    worker.run(
        "import asyncio\n"
        "async def ask():\n"
        "  try: input()\n"
        "  except BaseException as err: print(type(err).__name__)\n"
        "  said.set()\n"
        "said = asyncio.Event()\n"
        "task = asyncio.ensure_future(ask())"
    )
    assert worker.run("await said.wait()").text() == "EOFError\n"


def test_a_conversation_with_the_debugger(worker: FarWorker) -> None:
    source = "def f():\n  x = 41\n  breakpoint()\n  x += 1\n  return x\nf()"
    ran = answer_all(worker, source, "p x", "n", "n", "p x", "c")
    assert "41" in ran.text()
    assert "42" in ran.text()
    assert ran.result == "42"


def test_the_debugger_after_an_error(worker: FarWorker) -> None:
    worker.run("def f(y):\n  return 1 / y\nf(0)")
    ran = answer_all(worker, "%debug", "p y + 100", "u", "q")
    assert "100" in ran.text()
    assert ran.end.outcome == "ok"


def test_an_interrupt_while_the_debugger_asks_ends_the_wait(worker: FarWorker) -> None:
    run, seen = asking(worker, "breakpoint()")
    os.kill(worker.pid, signal.SIGINT)
    while not isinstance(seen[-1], End):
        seen.append(worker.next(run))
        if is_a("input_request")(seen[-1]):  # as locally, it may ask on
            worker.tell(run, InputReply(len(seen), "q"))
    assert worker.run("1").result == "1"


def _heard(frames: list[Frame]) -> list[str]:
    return [tell for frame in frames if isinstance(frame, Heard) for tell in frame.tells]


def _number_of(frames: list[Frame], prompt: str) -> int:
    asked = is_a("input_request")
    return next(n for n, frame in enumerate(frames, 1) if asked(frame) and prompt in str(frame))
