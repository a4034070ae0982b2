"""What every transport between a worker and its kernel promises (`farcell_worker.transport.KernelTransport`).

A transport needs a process of its own, so each is tried in a real worker, seen from its keeper.
"""

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from farcell_protocol.frames import End
from farcell_protocol.messages.cells import Cell
from farcell_worker.transport import OUTPUT_KINDS
from tests.unit.worker.standin import PYTHON, FarWorker, Ran, Zygote, alive


@pytest.fixture(scope="module", params=["fast path"])
def zygote(request: pytest.FixtureRequest) -> Iterator[Zygote]:
    made = Zygote(command=_COMMANDS[request.param])
    yield made
    made.close()


_COMMANDS: dict[str, Any] = {"fast path": [sys.executable, "-m", "farcell_worker.zygote", "--fd"]}


@pytest.fixture
def worker(zygote: Zygote) -> Iterator[FarWorker]:
    made = zygote.fork().greet()
    yield made
    made.close()


def test_1_nothing_runs_before_the_start(zygote: Zygote) -> None:
    assert len(os.listdir(f"/proc/{zygote.process.pid}/task")) == 1


def test_2_a_cell_may_depend_on_all_before_it(worker: FarWorker) -> None:
    sent = [worker.send(Cell(source, PYTHON)) for source in ("x = 1", "x += 1", "print(x)")]
    assert [worker.collect(run).text() for run in sent] == ["", "", "2\n"]


def test_3_all_output_is_there_and_in_order_when_the_cell_ends(worker: FarWorker) -> None:
    ran = worker.run(
        "import sys\n"
        "from IPython.display import display\n"
        "print('a')\n"
        "display('b')\n"
        "print('c', file=sys.stderr)\n"
        "print('d')\n"
        "'e'"
    )
    assert ran.kinds() == ["stream", "display_data", "stream", "stream", "execute_result"]
    assert [m.content.get("text") for m in ran.messages if m.msg_type == "stream"] == ["a\n", "c\n", "d\n"]


def test_3_the_output_of_ended_children_is_there(worker: FarWorker) -> None:
    ran = worker.run("import subprocess; subprocess.run('echo out; echo err >&2', shell=True); print('after')")
    assert (ran.text(), ran.text("stderr")) == ("out\nafter\n", "err\n")


def test_4_output_is_of_the_agreed_kinds_only(worker: FarWorker) -> None:
    ran = worker.run("from IPython.display import clear_output\nprint(1); clear_output(wait=True); 2")
    assert ran.kinds() == ["stream", "clear_output", "execute_result"]
    assert set(ran.kinds()) <= OUTPUT_KINDS


def test_4_a_display_can_be_updated_by_its_id(worker: FarWorker) -> None:
    ran = worker.run("h = display('one', display_id='here'); h.update('two')")
    assert ran.kinds() == ["display_data", "update_display_data"]
    assert {m.content["transient"]["display_id"] for m in ran.messages} == {"here"}


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("1/0", "ZeroDivisionError"),
        ("import sys; sys.exit(3)", "SystemExit"),
        ("x = (", "SyntaxError"),
        ("%nonsense", "UsageError"),
        ("raise ExceptionGroup('several', [ValueError(1)])", "ExceptionGroup"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("class Odd(BaseException): pass\nraise Odd", "Odd"),
    ],
)
def test_5_an_error_of_the_users_is_one_message_and_the_kernel_goes_on(
    worker: FarWorker, source: str, name: str
) -> None:
    ran = worker.run(source)
    assert ran.error["ename"] == name
    assert ran.end == End("error", execution_count=1)
    assert worker.run("1 + 1").result == "2"


def test_6_tracebacks_and_results_carry_the_given_number(worker: FarWorker) -> None:
    ran = worker.run("a = 1\nb = a / 0", execution_count=5)
    assert "In[5]" in _plain(ran)
    assert "line 2" in _plain(ran)
    assert ran.end.execution_count == 5
    ran = worker.run("'x'", execution_count=8)
    assert ran.only("execute_result").content["execution_count"] == 8
    assert worker.run("Out[8]", execution_count=9).result == "'x'"


def test_6_without_a_number_the_kernel_counts(worker: FarWorker) -> None:
    assert [worker.run("1", execution_count=0).end.execution_count for _ in range(3)] == [1, 2, 3]


def test_7_an_interrupt_raises_in_the_code_that_runs(worker: FarWorker) -> None:
    run = worker.send(Cell("import time\nprint('go', flush=True)\ntime.sleep(60)", PYTHON))
    frames = worker.frames(run)
    first = next(frames)
    os.kill(worker.pid, signal.SIGINT)
    ran = Ran([first, *frames])
    assert (ran.error["ename"], ran.end.outcome) == ("KeyboardInterrupt", "error")


def test_7_an_idle_interrupt_does_nothing(worker: FarWorker) -> None:
    os.kill(worker.pid, signal.SIGINT)
    assert worker.run("1").result == "1"
    assert alive(worker.pid)


def test_8_the_namespace_is_where_values_go(worker: FarWorker) -> None:
    assert worker.run("x = 5", returns=["x"]).names_back() == ["x"]


def _plain(ran: Ran) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", ran.traceback)
