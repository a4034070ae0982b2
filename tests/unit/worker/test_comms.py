"""Comms both ways between cells, and what a worker makes of what it is told."""

import pytest

from farcell_protocol import framing
from farcell_protocol.frames import MAX_MESSAGE_BYTES, Heard, Message
from farcell_protocol.ids import new_tell_id
from farcell_protocol.messages.cells import Cell
from farcell_protocol.messages.work import Tell, Work
from tests.unit.worker.standin import PYTHON, FarWorker, Ran
from tests.unit.worker.talk import OPEN, busy, handling, is_a, says, text_has


def test_a_comm_opened_in_a_cell_is_among_its_frames(worker: FarWorker) -> None:
    ran = worker.run("print('before')\n" + OPEN + "c.send({'b': 2}, buffers=[b'\\0\\1'])\nc.close()")
    assert ran.kinds() == ["stream", "comm_open", "comm_msg", "comm_close"]
    opened, sent, _closed = ran.messages[1:]
    assert (opened.content["comm_id"], opened.content["target_name"]) == ("c1", "t")
    assert opened.content["data"] == {"a": 1}
    assert (sent.content["data"], sent.buffers) == ({"b": 2}, [b"\0\1"])
    assert {message.parent for message in ran.messages} == {""}


def test_a_callback_between_cells_speaks_in_the_comms_and_names_what_it_answers(worker: FarWorker) -> None:
    worker.run(OPEN)
    comms = worker.open_comms()
    tell = worker.tell(comms, says("comm_msg", "hello", msg_id="m1"))
    [heard, *said] = worker.up_to(comms, is_a("status"))
    assert heard == Heard([tell])
    assert Ran(said).text() == "heard hello\n"
    assert {message.parent for message in Ran(said).messages} == {"m1"}
    assert worker.run("1").kinds() == ["execute_result"]


def test_a_cell_sees_what_was_said_before_it(worker: FarWorker) -> None:
    worker.run(handling("time.sleep(0.001); last = data", "import time"))
    comms = worker.open_comms()
    for n in range(20):
        worker.tell(comms, says("comm_msg", n))
    assert worker.run("last").result == "19"


def test_the_same_message_told_twice_is_heard_twice_and_handled_once(worker: FarWorker) -> None:
    worker.run(OPEN)
    comms = worker.open_comms()
    tell = worker.tell(comms, says("comm_msg", "once"))
    frames = worker.up_to(comms, is_a("status"))
    worker.tell(comms, says("comm_msg", "once"), tell)
    worker.tell(comms, says("comm_msg", "last"))
    frames += worker.up_to(comms, text_has("heard last\n"))
    assert Ran(frames).text() == "heard once\nheard last\n"
    heard = [told for frame in frames if isinstance(frame, Heard) for told in frame.tells]
    assert heard.count(tell) == 2


def test_what_is_told_to_an_ended_run_does_nothing(worker: FarWorker) -> None:
    ended = worker.send(Cell(OPEN, PYTHON))
    worker.collect(ended)
    worker.tell(ended, says("comm_msg", "nobody"))
    comms = worker.open_comms()
    worker.tell(comms, says("comm_msg", "somebody"))
    assert Ran(worker.up_to(comms, text_has("somebody\n"))).text() == "heard somebody\n"


def test_what_is_told_and_cannot_be_read_is_heard_and_said(worker: FarWorker) -> None:
    comms, tell = worker.open_comms(), new_tell_id()
    worker.records.sock.sendall(framing.encode(Tell(comms, tell, b"\xc1")))
    assert Heard([tell]) in [worker.next(comms), worker.next(comms)]
    worker.tell(comms, says("comm_msg"))
    worker.up_to(comms, lambda frame: isinstance(frame, Heard))


def test_binary_buffers_travel_both_ways_as_large_as_an_image(worker: FarWorker) -> None:
    worker.run(handling("c.send({}, buffers=[msg['buffers'][0], bytearray(b'end')])"))
    comms = worker.open_comms()
    image = bytes(range(256)) * (5 * 2**20 // 256)
    worker.tell(comms, says("comm_msg", buffers=[image]))
    [*_, answer] = worker.up_to(comms, is_a("comm_msg"))
    assert isinstance(answer, Message)
    assert answer.buffers == [image, b"end"]


def test_a_buffer_beyond_all_limits_raises_where_it_is_sent(worker: FarWorker) -> None:
    ran = worker.run(OPEN + f"c.send({{}}, buffers=[bytes({MAX_MESSAGE_BYTES})])")
    assert ran.error["ename"] == "MessageTooLarge"
    assert f"{MAX_MESSAGE_BYTES:,}" in ran.error["evalue"]
    assert worker.run(f"c.send({{}}, buffers=[bytes({MAX_MESSAGE_BYTES - 1000})])").end.outcome == "ok"


def test_a_front_end_opens_a_comm_to_a_registered_target(worker: FarWorker) -> None:
    worker.run(
        "def target(comm, msg):\n"
        "  print('opened', msg['content']['data'], [bytes(b) for b in msg['buffers']])\n"
        "  comm.on_msg(lambda msg: comm.send('answer'))\n"
        "  comm.on_close(lambda msg: print('closed'))\n"
        "get_ipython().kernel.comm_manager.register_target('mine', target)"
    )
    comms = worker.open_comms()
    worker.tell(comms, says("comm_open", {"x": 1}, content={"target_name": "mine"}, buffers=[b"ab"], msg_id="m1"))
    worker.up_to(comms, text_has("opened {'x': 1} [b'ab']"))
    worker.tell(comms, says("comm_msg", msg_id="m2"))
    [*_, answer] = worker.up_to(comms, is_a("comm_msg"))
    assert isinstance(answer, Message)
    assert (answer.content["data"], answer.parent) == ("answer", "m2")
    worker.tell(comms, says("comm_close"))
    worker.up_to(comms, text_has("closed"))
    assert worker.run("len(get_ipython().kernel.comm_manager.comms)").result == "0"


def test_opening_a_comm_to_an_unknown_target_is_answered_by_closing_it(worker: FarWorker) -> None:
    comms = worker.open_comms()
    worker.tell(comms, says("comm_open", content={"target_name": "nobody"}, msg_id="m1"))
    [*before, closed] = worker.up_to(comms, is_a("comm_close"))
    assert "'comm_id': 'c1'" in str(closed)
    assert "No such comm target registered" in Ran(before).text("stderr")


@pytest.mark.parametrize("name", ["ValueError", "SystemExit", "KeyboardInterrupt"])
@pytest.mark.parametrize("beside", [False, True])
def test_a_callback_that_raises_says_so_and_the_next_message_is_handled(
    worker: FarWorker, name: str, beside: bool
) -> None:
    worker.run(handling(f"if data == 'bad': raise {name}\nprint('fine')"))
    comms = worker.open_comms()
    if beside:
        busy(worker)
    worker.tell(comms, says("comm_msg", "bad"))
    worker.tell(comms, says("comm_msg", "good"))
    assert name in str(worker.up_to(comms, is_a("status")))
    worker.up_to(comms, text_has("fine"))


def test_threads_and_tasks_that_go_on_after_their_cell_speak_in_the_comms(worker: FarWorker) -> None:
    comms = worker.open_comms()
    worker.run(
        OPEN + "import threading, asyncio\n"
        "go = threading.Event()\n"
        "def go_on(): go.wait(); print('a thread'); c.send('a thread')\n"
        "threading.Thread(target=go_on).start()\n"
        "async def later(): await asyncio.sleep(0.01); print('a task'); go.set()\n"
        "task = asyncio.ensure_future(later())"
    )
    frames = worker.up_to(comms, is_a("comm_msg"))
    assert Ran(frames).text() == "a task\na thread\n"
    assert {message.parent for message in Ran(frames).messages} == {""}


def test_comm_messages_between_cells_are_kept_for_whoever_comes_first(worker: FarWorker) -> None:
    worker.run(
        OPEN + "import threading, asyncio\n"
        "go, done = threading.Event(), threading.Event()\n"
        "def go_on():\n"
        "  go.wait()\n"
        "  for n in range(50): c.send(n); print('x' * 100_000)\n"
        "  done.set()\n"
        "threading.Thread(target=go_on).start()\n"
        "asyncio.get_running_loop().call_soon(go.set)"
    )
    ran = worker.run("done.wait(); 'now'")
    assert [m.content["data"] for m in ran.messages if m.msg_type == "comm_msg"] == list(range(50))


def test_a_session_without_comms_has_no_thread_that_reads(worker: FarWorker) -> None:
    ask = "import threading; sorted(t.name for t in threading.enumerate() if 'inlet' in t.name or 'comms' in t.name)"
    assert worker.run(ask).result == "[]"
    worker.run(OPEN)
    assert worker.run(ask).result == "['farcell-inlet']"


def test_the_comms_asked_for_again_go_on_counting(worker: FarWorker) -> None:
    worker.run(OPEN)
    comms = worker.open_comms()
    for n in range(3):
        worker.tell(comms, says("comm_msg", n))
        worker.up_to(comms, text_has(f"heard {n}\n"))
        worker.records.sock.sendall(framing.encode(Work(comms, b"", aside=True)))
