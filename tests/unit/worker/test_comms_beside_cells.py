"""What a front end says to comms while a cell has the main thread."""

import pytest

from farcell_protocol.frames import Message
from farcell_protocol.messages.cells import Cell, InterruptHandler
from tests.unit.worker.standin import PYTHON, FarWorker, Ran
from tests.unit.worker.talk import OPEN, asking, busy, handling, is_a, says, text_has


def test_a_callback_comes_through_while_a_cell_computes_or_sleeps(worker: FarWorker) -> None:
    worker.run(handling("last = data; print('stopping')", "import time\nlast = 0"))
    comms = worker.open_comms()
    for n, step in enumerate(("pass", "time.sleep(0.01)"), 1):
        run = busy(worker, f"while last != {n}: {step}")
        worker.tell(comms, says("comm_msg", n, msg_id="m2"))
        [*_, said] = worker.up_to(comms, text_has("stopping\n"))
        assert isinstance(said, Message)
        assert said.parent == "m2"
        ran = Ran(list(worker.frames(run)))
        assert (ran.messages, ran.end.outcome) == ([], "ok")


def test_a_callback_comes_through_while_the_cell_waits_for_input(worker: FarWorker) -> None:
    worker.run(OPEN)
    comms = worker.open_comms()
    asking(worker, "input()")
    worker.tell(comms, says("comm_msg", "while asking"))
    worker.up_to(comms, text_has("heard while asking"))


def test_a_callback_comes_through_while_the_cell_awaits(worker: FarWorker) -> None:
    worker.run(handling("loop.call_soon_threadsafe(told.set)", "import asyncio\ntold = asyncio.Event()"))
    comms = worker.open_comms()
    run = busy(worker, "loop = asyncio.get_running_loop()\nawait told.wait()")
    worker.tell(comms, says("comm_msg"))
    assert Ran(list(worker.frames(run))).end.outcome == "ok"


def test_fifty_messages_are_handled_in_their_order_whatever_runs(worker: FarWorker) -> None:
    worker.run(handling("got.append(data)\nif data == 49: print('all')", "got = []"))
    comms = worker.open_comms()
    runs = []
    for n in range(50):
        worker.tell(comms, says("comm_msg", n, msg_id=f"m{n}"))
        if n % 10 == 5:
            runs.append(worker.send(Cell("import time; time.sleep(0.005)", PYTHON)))
    worker.up_to(comms, text_has("all"))
    for run in runs:
        worker.collect(run)
    assert worker.run("got == list(range(50))").result == "True"


def test_what_is_told_to_a_cell_before_there_are_comms_is_answered_in_the_cell(worker: FarWorker) -> None:
    worker.run(OPEN)
    run = busy(worker)
    worker.tell(run, says("comm_msg", "early", msg_id="m1"))
    [*_, said] = worker.up_to(run, text_has("heard early\n"))
    assert isinstance(said, Message)
    assert said.parent == "m1"


def test_a_cells_parent_is_the_clients_request_and_a_callbacks_its_message(worker: FarWorker) -> None:
    ask = "get_ipython().kernel.get_parent()['header']['msg_id'], get_ipython().get_parent()['header']['msg_id']"
    worker.run(handling(f"last = {ask}", "last = None"))
    comms = worker.open_comms()
    run = busy(worker, f"while not last: pass\nlast, {ask}", msg_id="the-request")
    worker.tell(comms, says("comm_msg", msg_id="the-message"))
    ran = Ran(list(worker.frames(run)))
    assert ran.result == "(('the-message', 'the-message'), 'the-request', 'the-request')"


def test_a_callback_is_handled_in_the_main_thread_unless_a_cell_has_it_and_may_start_tasks(worker: FarWorker) -> None:
    worker.run(
        handling(
            "where.append(threading.current_thread() is threading.main_thread())\nasyncio.ensure_future(say())",
            "import threading, asyncio\nwhere = []\nasync def say(): print('a task')",
        )
    )
    comms = worker.open_comms()
    worker.tell(comms, says("comm_msg", msg_id="m1"))
    [*_, said] = worker.up_to(comms, text_has("a task\n"))
    assert isinstance(said, Message)
    assert said.parent == "m1"
    run = busy(worker, "while len(where) < 2: pass")
    worker.tell(comms, says("comm_msg"))
    worker.up_to(comms, text_has("a task\n"))
    list(worker.frames(run))
    assert worker.run("where").result == "[True, False]"


# What a nudge does that falls between the last instruction and the call that waits: nothing.
_FIRST_NUDGE_LOST = (
    "kill = signal.pthread_kill\n"
    "signal.pthread_kill = lambda *_: setattr(signal, 'pthread_kill', kill)\n"
    "print('go', flush=True); time.sleep(60)"
)


@pytest.mark.parametrize(
    "stuck", ["while True: pass", "time.sleep(60)", "while True: print('x' * 5000)", _FIRST_NUDGE_LOST]
)
def test_a_callback_in_the_main_thread_is_interrupted_and_says_so_under_its_message(
    worker: FarWorker, stuck: str
) -> None:
    go = "" if stuck is _FIRST_NUDGE_LOST else "print('go', flush=True)\n"
    worker.run(handling(f"{go}{stuck}", "import os, signal, time"))
    comms = worker.open_comms()
    worker.tell(comms, says("comm_msg", msg_id="m1"))
    worker.up_to(comms, text_has("go\n"))
    worker.tell(comms, InterruptHandler())
    error = worker.up_to(comms, is_a("error"))[-1]
    assert isinstance(error, Message)
    assert (error.content["ename"], error.parent) == ("KeyboardInterrupt", "m1")
    worker.up_to(comms, is_a("status"))
    assert worker.run("1 + 1").result == "2"


def test_an_interrupt_of_a_callback_that_comes_late_hits_neither_a_cell_nor_the_next_callback(
    worker: FarWorker,
) -> None:
    worker.run(OPEN)
    comms = worker.open_comms()
    for n in range(50):
        worker.tell(comms, says("comm_msg", n))
        worker.tell(comms, InterruptHandler())
        assert worker.run(f"sum(range(20_000)) and {n}").result == str(n)
    worker.tell(comms, says("comm_msg", "last"))
    worker.up_to(comms, text_has("heard last\n"))


@pytest.mark.parametrize("name", ["SystemExit", "KeyboardInterrupt", "ValueError"])
def test_a_task_of_a_callback_that_raises_does_not_end_the_handling_of_messages(worker: FarWorker, name: str) -> None:
    worker.run(
        handling(
            "print('heard', data)\nasyncio.ensure_future(fail())", f"import asyncio\nasync def fail(): raise {name}"
        )
    )
    comms = worker.open_comms()
    busy(worker)
    for n in range(3):
        worker.tell(comms, says("comm_msg", n))
        worker.up_to(comms, text_has(f"heard {n}"))


def test_the_output_of_a_cells_children_is_not_taken_for_a_callbacks(worker: FarWorker) -> None:
    worker.run(handling("print('said'); display('shown'); last = True", "import os\nlast = False"))
    comms = worker.open_comms()
    run = busy(worker, "n = 0\nwhile not last: os.system('echo child'); n += 1\nprint(n)")
    worker.tell(comms, says("comm_msg"))
    *children, n = Ran(list(worker.frames(run))).text().split()
    assert children == ["child"] * int(n)


def test_a_forked_child_neither_reads_nor_speaks_for_its_parent(worker: FarWorker) -> None:
    worker.run(OPEN)
    comms = worker.open_comms()
    busy(
        worker,
        "import os, time\n"
        "if not os.fork():\n"
        "  c.send('of the child')\n"
        "  print('child', flush=True)\n"
        "while True: time.sleep(0.01)",
    )
    worker.tell(comms, says("comm_msg", "to the parent"))
    frames = worker.up_to(comms, text_has("heard to the parent\n"))
    assert not [frame for frame in frames if is_a("comm_msg")(frame)]
