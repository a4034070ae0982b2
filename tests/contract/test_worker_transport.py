"""What every transport between a worker and its kernel promises (`farcell_worker.transport.KernelTransport`).

A transport needs a process of its own, so each is tried in a real worker, seen from its keeper.
"""

import os
import pickle
import signal
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import pytest

from farcell_protocol.errors import BadRequest, NotFound, PythonMismatch
from farcell_protocol.frames import Heard, Message
from farcell_protocol.ipykernels import TRIED
from farcell_protocol.messages.cells import Cell, InputReply, InterruptHandler
from farcell_worker.choice import FORCE, transport_for
from farcell_worker.transport import OUTPUT_KINDS
from tests.contract.ipykernels import NEWEST, interpreter_with, ours
from tests.fakes.waiting import is_running
from tests.unit.worker.standin import PYTHON, FarWorker, Ran, Zygote, value_of
from tests.unit.worker.talk import OPEN, asking, busy, handling, is_a, pressed, says, text_has

_SYSTEM = (pytest.mark.system, pytest.mark.timeout(330))


def _ways() -> list[Any]:
    """Both transports with our own ipykernel; and, where an index can be reached, with each one that was tried, and
    with the newest, so that we hear of it first."""
    locked = [pytest.param((transport, "locked"), id=name) for transport, name in _NAMES.items()]
    releases = sorted({*TRIED.values(), NEWEST})
    return locked + [
        pytest.param((transport, release), id=f"{name}, ipykernel {release}", marks=_SYSTEM)
        for release in releases
        for transport, name in _NAMES.items()
    ]


_NAMES = {"fast": "fast path", "bridge": "bridge"}


@pytest.fixture(scope="module", params=_ways())
def zygote(request: pytest.FixtureRequest) -> Iterator[Zygote]:
    transport, release = request.param
    interpreter = ours() if release == "locked" else interpreter_with(release)
    if transport == "fast" and transport_for(interpreter.ipykernel) != "fast":
        pytest.skip(f"ipykernel {interpreter.ipykernel} has not been tried: workers take the bridge to it")
    command = [interpreter.python, "-m", "farcell_worker.zygote", "--fd"]
    made = Zygote(command=command, env={**interpreter.environment, FORCE: transport})
    yield made
    made.close()


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
    # Text of the one stream against text of the other is in the order the kernel sends it in, which is its own affair.
    assert (ran.kinds()[:2], ran.kinds()[-1]) == (["stream", "display_data"], "execute_result")
    assert (ran.text(), ran.text("stderr")) == ("a\nd\n", "c\n")


def test_3_much_output_comes_whole_and_in_order_before_the_end(worker: FarWorker) -> None:
    ran = worker.run("for i in range(3000): display(i)\nfor i in range(30000): print(i)")
    shown = [m.content["data"]["text/plain"] for m in ran.messages if m.msg_type == "display_data"]
    assert shown == [str(i) for i in range(3000)]
    assert ran.text() == "".join(f"{i}\n" for i in range(30_000))


def test_3_the_output_of_ended_children_is_there(worker: FarWorker) -> None:
    for _ in range(5):
        ran = worker.run("import subprocess; subprocess.run('echo out; echo err >&2', shell=True); print('after')")
        # Which comes first, and whether the child's line falls before the newline of `print`, is the kernel's affair.
        assert (sorted(ran.text()), ran.text("stderr")) == (sorted("after\nout\n"), "err\n")


def test_3_messages_pass_unchanged_with_their_buffers(worker: FarWorker) -> None:
    ran = worker.run(
        "from comm import create_comm\n"
        "made = {'data': {'é': [1, None, 2.5]}, 'metadata': {'m': 1}, 'buffers': [b'\\0\\xff', b'']}\n"
        "create_comm(target_name='t', comm_id='c9', **made)\n"
        "display({'text/plain': 'x', 'image/png': 'aGk='}, metadata={'width': 3}, raw=True)"
    )
    opened, shown = ran.messages[0], ran.only("display_data")
    assert opened.content["data"] == {"é": [1, None, 2.5]}
    assert (opened.metadata["m"], opened.buffers) == (1, [b"\0\xff", b""])
    assert shown.content["data"] == {"text/plain": "x", "image/png": "aGk="}
    assert shown.content["metadata"] == {"width": 3}


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
    assert (ran.end.outcome, ran.end.execution_count) == ("error", 1)
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
    with pressed(worker):
        ran = Ran([first, *frames])
    assert (ran.error["ename"], ran.end.outcome) == ("KeyboardInterrupt", "error")


def test_7_an_idle_interrupt_does_nothing(worker: FarWorker) -> None:
    with pressed(worker):
        assert worker.run("1").result == "1"
    assert is_running(worker.pid)


@pytest.mark.parametrize(
    "stuck", ["while True: pass", "import time; time.sleep(60)", "await __import__('asyncio').sleep(60)"]
)
def test_7_an_interrupt_ends_the_code_within_two_seconds_and_the_names_are_whole(worker: FarWorker, stuck: str) -> None:
    worker.run("kept = 1")
    run = busy(worker, stuck)
    began = time.monotonic()
    with pressed(worker):
        ran = Ran(list(worker.frames(run)))
    assert time.monotonic() - began < 2
    # A kernel may show an await that was cancelled as what it is.
    assert ran.error["ename"] in ("KeyboardInterrupt", "CancelledError")
    assert worker.run("kept").result == "1"


def test_7_an_interrupt_as_early_as_can_be_is_not_lost(worker: FarWorker) -> None:
    for _ in range(10):
        run = worker.begins(worker.send(Cell("while True: pass", PYTHON)))
        with pressed(worker):
            assert worker.collect(run).error["ename"] == "KeyboardInterrupt"
    assert worker.run("1").result == "1"


def test_8_values_go_in_and_what_was_bound_or_changed_comes_home(worker: FarWorker) -> None:
    values = [value_of("x", pickle.dumps([1], 5)), value_of("n", pickle.dumps(2, 5))]
    ran = worker.run("x.append(n)\ny = sum(x)\ndel n", values=values, returns=["x", "y", "n"])
    assert pickle.loads(ran.pickle_of("x")) == [1, 2]
    assert pickle.loads(ran.pickle_of("y")) == 3
    assert ran.backs("n")[0].status == "deleted"
    known = {"x": ran.backs("x")[0].digest}
    assert worker.run("x", known=known, returns=["x"]).names_back() == []


def test_8_what_was_bound_before_an_error_comes_home(worker: FarWorker) -> None:
    assert worker.run("a = 1; 1/0", returns=["a", "b"]).names_back() == ["a"]


def test_8_large_values_come_in_pieces_or_stay_as_handles(worker: FarWorker) -> None:
    ran = worker.run("x = b'x' * 1_500_000; y = x * 2", returns=["x", "y"], inline_limit_bytes=2 * 2**20)
    assert pickle.loads(ran.pickle_of("x")) == b"x" * 1_500_000
    assert ran.backs("y")[0].status == "handle"
    fetched = worker.run("", fetch=["y"])
    assert pickle.loads(fetched.pickle_of("y")) == b"x" * 3_000_000


def test_8_values_that_cannot_be_bound_or_fetched_are_refused_with_the_reason(worker: FarWorker) -> None:
    broken = worker.run("x", values=[value_of("x", b"no pickle")], returns=["x"])
    assert (broken.end.outcome, broken.end.reason and broken.end.reason.code) == ("refused", BadRequest.code)
    other = worker.collect(worker.send(Cell("x", "2.7.18", values=[value_of("x", pickle.dumps(1, 5))], returns=["x"])))
    assert other.end.reason is not None
    assert (other.end.reason.code, other.end.reason.fields["local"]) == (PythonMismatch.code, "2.7.18")
    missing = worker.run("", fetch=["nothing"])
    assert missing.end.reason is not None
    assert missing.end.reason.code == NotFound.code
    assert worker.run("1").result == "1"


def test_8_results_that_are_being_pickled_can_be_interrupted(worker: FarWorker) -> None:
    worker.run("class Slow:\n  def __reduce__(self):\n    print('go', flush=True)\n    while True: pass")
    run = worker.begins(worker.send(Cell("a = 1\nslow = Slow()", PYTHON, returns=["a", "slow"])))
    seen = worker.up_to(run, text_has("go\n"))
    with pressed(worker):
        ran = Ran([*seen, *worker.frames(run)])
    assert (ran.names_back(), ran.end.outcome) == (["a"], "ok")
    assert "interrupted while the results were being sent" in ran.text("stderr")


def test_8_nothing_stays_on_disk_of_a_kernel_that_runs_or_of_values(zygote: Zygote) -> None:
    with tempfile.TemporaryDirectory() as folder:
        worker = zygote.fork(env={"TMPDIR": folder}).greet()
        try:
            worker.run("x = v", values=[value_of("v", pickle.dumps(1, 5))], returns=["v", "x"])
            assert os.listdir(folder) == []
        finally:
            worker.close()


def test_9_a_cell_can_ask_the_user(worker: FarWorker) -> None:
    run, frames = asking(worker, "print('first')\nname = input('name? ')\nprint('hello', name)")
    asked = frames[-1]
    assert isinstance(asked, Message)
    assert asked.content == {"prompt": "name? ", "password": False}
    assert Ran(frames).text() == "first\n"
    worker.tell(run, InputReply(len(frames), "Ada"))
    assert Ran(list(worker.frames(run))).text() == "hello Ada\n"


def test_9_a_question_can_be_interrupted_and_where_nobody_answers_it_is_refused(worker: FarWorker) -> None:
    run, _frames = asking(worker, "input()")
    with pressed(worker):
        assert Ran(list(worker.frames(run))).error["ename"] == "KeyboardInterrupt"
    assert worker.run("input()").error["ename"] == "StdinNotImplementedError"


def test_11_comm_messages_are_handled_in_order_and_answers_name_them(worker: FarWorker) -> None:
    worker.run(OPEN)
    comms = worker.open_comms()
    for n in range(20):
        worker.tell(comms, says("comm_msg", n, msg_id=f"m{n}"))
    idle = is_a("status")
    seen = worker.up_to(comms, lambda frame: idle(frame) and isinstance(frame, Message) and frame.parent == "m19")
    assert Ran(seen).text() == "".join(f"heard {n}\n" for n in range(20))
    answers = [(m.parent, m.msg_type) for m in Ran(seen).messages]
    assert answers == [(f"m{n}", kind) for n in range(20) for kind in ("stream", "status")]
    assert any(isinstance(frame, Heard) for frame in seen)


def test_11_a_handler_answers_with_a_message_of_the_comm(worker: FarWorker) -> None:
    worker.run(OPEN + "c.on_msg(lambda m: c.send(m['content']['data'], buffers=m['buffers']))")
    comms = worker.open_comms()
    worker.tell(comms, says("comm_msg", {"n": 1}, msg_id="m1", buffers=[b"\0\1"]))
    answer = worker.up_to(comms, is_a("comm_msg"))[-1]
    assert isinstance(answer, Message)
    assert (answer.content["data"], [*answer.buffers], answer.parent) == ({"n": 1}, [b"\0\1"], "m1")


def test_11_messages_told_while_a_cell_runs_are_handled_in_order_and_at_the_latest_after_it(worker: FarWorker) -> None:
    worker.run(handling("order.append(data); print('heard', data)", "order = []"))
    comms = worker.open_comms()
    run = busy(worker, "import time\nfor _ in range(20): time.sleep(0.01)")
    for n in range(20):
        worker.tell(comms, says("comm_msg", n))
    worker.up_to(comms, text_has("heard 19\n"))
    list(worker.frames(run))
    assert worker.run("order == list(range(20))").result == "True"


def test_11_a_handler_can_be_interrupted_and_the_next_message_is_handled(worker: FarWorker) -> None:
    worker.run(handling("print('heard', data)\nwhile data == 'endless': time.sleep(0.01)", "import time"))
    comms = worker.open_comms()
    worker.tell(comms, says("comm_msg", "endless", msg_id="m1"))
    worker.up_to(comms, text_has("heard endless\n"))
    worker.tell(comms, InterruptHandler())
    worker.tell(comms, says("comm_msg", "next", msg_id="m2"))
    worker.up_to(comms, text_has("heard next\n"))
    assert worker.run("1 + 1").result == "2"


def test_11_the_interrupt_of_a_handler_hits_no_cell(worker: FarWorker) -> None:
    worker.run(OPEN)
    comms = worker.open_comms()
    run = busy(worker, "import time\nfor _ in range(30): time.sleep(0.01)\n'whole'")
    for _ in range(5):
        worker.tell(comms, InterruptHandler())
    assert Ran(list(worker.frames(run))).result == "'whole'"


@pytest.mark.parametrize(
    ("source", "status"), [("import os; os._exit(3)", 3 << 8), ("import os; os.abort()", signal.SIGABRT)]
)
def test_12_the_worker_ends_as_its_kernel_does(zygote: Zygote, source: str, status: int) -> None:
    worker = zygote.fork().greet()
    try:
        worker.send(Cell(source, PYTHON))
        assert worker.exit_status().wait_status & 0xFF7F == status
    finally:
        worker.close()


def _plain(ran: Ran) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", ran.traceback)
