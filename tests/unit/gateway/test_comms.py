"""Far comms in a local kernel: their stand-ins, what front ends say to them, and in which order all is published."""

import signal
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any

import pytest
from far_client import ScriptedClient, Step, plays, stream, view

from farcell.comms import SessionComms
from farcell.commsrun import FarComms
from farcell.follow import Batch, Changed
from farcell.standins import CONTROL
from farcell_protocol.errors import MessageTooLarge, SessionEnded
from farcell_protocol.frames import Message
from farcell_protocol.ids import RunId, SessionId, comms_run_of
from farcell_protocol.messages.api import Interpreter, RunRequest
from farcell_protocol.messages.cells import CommMessage, InterruptHandler, Told

SESSION = SessionId("s-000000000001")
REQUEST = RunRequest(RunId("r-1"), b"", Interpreter("python", "3.11.7"), gpu="H100", notebook="nb")
VIEW = view(REQUEST)
CELL = {"header": {"msg_id": "cell-1", "session": "front"}}
NEXT_CELL = {"header": {"msg_id": "cell-2", "session": "front"}}


class Manager:
    """As much of ipykernel's comm manager as it takes."""

    def __init__(self) -> None:
        self.comms: dict[str, Any] = {}
        self.targets: dict[str, Any] = {}

    def register_comm(self, comm: Any) -> None:
        self.comms[comm.comm_id] = comm

    def register_target(self, name: str, target: Any) -> None:
        self.targets[name] = target

    def unregister_comm(self, comm: Any) -> None:
        del self.comms[comm.comm_id]

    def hears(self, kind: str, comm_id: str, msg_id: str = "f-1", buffers: Iterable[bytes] = ()) -> None:
        """The front end says something."""
        message = {
            "header": {"msg_id": msg_id, "session": "front"},
            "content": {"comm_id": comm_id, "data": {"x": 1}},
            "metadata": {"m": 1},
            "buffers": [memoryview(buffer) for buffer in buffers],
        }
        comm = self.comms[comm_id] if kind == "comm_msg" else self.comms.pop(comm_id)
        (comm.handle_msg if kind == "comm_msg" else comm.handle_close)(message)


class Front:
    """What was published, as (kind, comm or text, data, id of the request)."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, str, Any, str]] = []

    def publish(self, message: Message, parent: dict[str, Any]) -> None:
        content = message.content
        self.shown.append(
            (
                message.msg_type,
                content.get("comm_id", content.get("text")),
                content.get("data"),
                parent["header"]["msg_id"],
            )
        )


@pytest.fixture
def manager() -> Manager:
    return Manager()


@pytest.fixture
def front() -> Front:
    return Front()


@pytest.fixture
def told() -> list[CommMessage]:
    return []


@pytest.fixture
def comms(manager: Manager, front: Front, told: list[CommMessage]) -> SessionComms:
    return SessionComms(manager, front.publish, told.append, CELL, patience_s=0)


def opens(comm_id: str) -> Message:
    return Message("comm_open", {"comm_id": comm_id, "target_name": "jupyter.widget", "data": {}})


def says(comm_id: str, data: Any, parent: str = "") -> Message:
    return Message("comm_msg", {"comm_id": comm_id, "data": data}, parent=parent)


def closes(comm_id: str) -> Message:
    return Message("comm_close", {"comm_id": comm_id, "data": {}})


def test_a_far_comm_is_listed_here_until_it_is_closed_there(comms: SessionComms, manager: Manager) -> None:
    comms.saw_in_cell(opens("a"))
    assert {name: one.target_name for name, one in manager.comms.items()} == {"a": "jupyter.widget"}
    comms.saw_in_cell(closes("a"))
    assert manager.comms == {}


def test_what_a_front_end_says_is_passed_on_unchanged(
    comms: SessionComms, manager: Manager, told: list[CommMessage]
) -> None:
    comms.saw_in_cell(opens("a"))
    manager.hears("comm_msg", "a", "f-1", [b"raw"])
    manager.hears("comm_close", "a", "f-2")
    content = {"comm_id": "a", "data": {"x": 1}}
    assert told == [
        CommMessage("comm_msg", content, {"m": 1}, [b"raw"], "f-1"),
        CommMessage("comm_close", content, {"m": 1}, [], "f-2"),
    ]
    comms.close()
    assert manager.comms == {}


def test_what_cannot_be_passed_on_is_said_under_the_message_that_it_was(manager: Manager, front: Front) -> None:
    def refuse(told: CommMessage) -> None:
        raise MessageTooLarge("70 MB, over the limit of 64")

    comms = SessionComms(manager, front.publish, refuse, CELL, patience_s=30)
    comms.saw_in_cell(opens("a"))
    manager.hears("comm_msg", "a", "f-1")
    assert front.shown == [("stream", "the far widget was not told: 70 MB, over the limit of 64\n", None, "f-1")]


def test_answers_are_published_under_what_they_answer_and_the_rest_under_the_newest_cell(
    comms: SessionComms, manager: Manager, front: Front
) -> None:
    comms.saw_in_cell(opens("a"))
    comms.caught_up(replayed=False)
    manager.hears("comm_msg", "a", "f-1")
    comms.saw_aside(says("a", 1, parent="f-1"))
    comms.of_cell(NEXT_CELL)
    comms.saw_aside(stream("of a thread"))
    comms.saw_aside(Message("stream", {"name": "stdout", "text": "of the first cell"}, parent="cell-1"))
    comms.saw_aside(Message("stream", {"name": "stdout", "text": "of nobody known"}, parent="elsewhere"))
    assert front.shown == [
        ("comm_msg", "a", 1, "f-1"),
        ("stream", "of a thread", None, "cell-2"),
        ("stream", "of the first cell", None, "cell-1"),
        ("stream", "of nobody known", None, "elsewhere"),
    ]


def test_what_is_said_aside_waits_until_the_cell_that_opened_the_comm_was_seen(
    comms: SessionComms, front: Front, manager: Manager
) -> None:
    comms.saw_aside(says("a", "newest"))
    comms.saw_aside(says("b", "of a cell that nobody looks at"))
    comms.saw_in_cell(opens("a"))
    comms.saw_aside(closes("a"))
    comms.saw_in_cell(says("a", "older"))  # published by the cell's screen
    assert front.shown == []
    assert list(manager.comms) == ["a"]
    comms.caught_up(replayed=False)
    assert [(kind, data) for kind, _, data, _ in front.shown] == [("comm_msg", "newest"), ("comm_close", {})]
    assert manager.comms == {}


def test_a_comm_that_a_callback_opens_is_open_at_once(comms: SessionComms, front: Front, manager: Manager) -> None:
    comms.saw_aside(opens("a"))
    comms.saw_aside(says("a", 1))
    assert [shown[0] for shown in front.shown] == ["comm_open", "comm_msg"]
    assert list(manager.comms) == ["a"]


def test_what_waits_for_comms_that_never_open_is_given_up_when_it_is_too_much(
    comms: SessionComms, front: Front
) -> None:
    for n in range(40):
        comms.saw_aside(Message("comm_msg", {"comm_id": "a", "data": n}, buffers=[bytes(2**20)]))
    comms.saw_in_cell(opens("a"))
    comms.caught_up(replayed=False)
    numbers = [data for _, _, data, _ in front.shown]
    assert numbers == list(range(40 - len(numbers), 40))
    assert 25 < len(numbers) < 35


def test_a_comm_of_an_ended_session_shows_its_newest_state_and_has_no_stand_in(
    comms: SessionComms, front: Front, manager: Manager
) -> None:
    comms.saw_aside(says("a", "newest"))
    comms.close()
    comms.saw_in_cell(opens("a"))
    comms.caught_up(replayed=False)
    assert [data for _, _, data, _ in front.shown] == ["newest"]
    assert manager.comms == {}


def test_a_comm_of_the_same_id_that_is_not_ours_is_left_alone(comms: SessionComms, manager: Manager) -> None:
    comms.saw_in_cell(opens("a"))
    manager.comms["a"] = local = object()
    comms.close()
    assert manager.comms == {"a": local}


def idle_after(msg_id: str) -> Message:
    return Message("status", {"execution_state": "idle"}, parent=msg_id)


def names_on_the_stack(thread: int) -> set[str]:
    frame, names = sys._current_frames().get(thread), set()
    while frame is not None:
        names.add(frame.f_code.co_name)
        frame = frame.f_back
    return names


def hears_in_a_thread(manager: Manager, comm_id: str, msg_id: str) -> threading.Thread:
    thread = threading.Thread(target=manager.hears, args=["comm_msg", comm_id, msg_id])
    thread.start()
    return thread


def test_the_kernel_is_busy_with_a_message_until_all_is_said_to_it(manager: Manager, front: Front) -> None:
    comms = SessionComms(manager, front.publish, lambda told: None, CELL, patience_s=30)
    comms.saw_in_cell(opens("a"))
    comms.caught_up(replayed=False)
    busy = hears_in_a_thread(manager, "a", "f-1")
    comms.saw_aside(says("a", 1, parent="f-1"))
    comms.saw_aside(idle_after("another"))
    assert busy.is_alive()
    comms.saw_aside(idle_after("f-1"))
    busy.join(10)
    assert not busy.is_alive()
    assert [shown[0] for shown in front.shown] == ["comm_msg"]


def test_the_stop_button_while_a_callback_is_waited_for_is_for_the_callback(manager: Manager, front: Front) -> None:
    told: list[Told] = []

    def tell(one: Told) -> None:
        told.append(one)
        if isinstance(one, InterruptHandler):
            comms.saw_aside(Message("error", {"ename": "KeyboardInterrupt"}, parent="f-1"))
            comms.saw_aside(idle_after("f-1"))
        else:
            threading.Thread(target=press_while_waiting).start()

    def press_while_waiting() -> None:
        main = threading.main_thread().ident
        assert main is not None
        deadline = time.monotonic() + 10
        while not {"_answers", "wait"} <= names_on_the_stack(main):
            assert time.monotonic() < deadline
        signal.pthread_kill(main, signal.SIGINT)

    comms = SessionComms(manager, front.publish, tell, CELL, patience_s=30)
    comms.saw_in_cell(opens("a"))
    manager.hears("comm_msg", "a", "f-1")
    assert [type(one) for one in told] == [CommMessage, InterruptHandler]
    assert [shown[0] for shown in front.shown] == ["error"]


def test_nobody_waits_for_a_session_that_has_ended(manager: Manager, front: Front) -> None:
    comms = SessionComms(manager, front.publish, lambda told: None, CELL, patience_s=30)
    comms.saw_in_cell(opens("a"))
    busy = hears_in_a_thread(manager, "a", "f-1")
    comms.close()
    busy.join(10)
    assert not busy.is_alive()


def test_nobody_waits_twice_for_a_far_side_that_does_not_answer(manager: Manager, front: Front) -> None:
    comms = SessionComms(manager, front.publish, lambda told: None, CELL, patience_s=0.05)
    comms.saw_in_cell(opens("a"))
    manager.hears("comm_msg", "a", "f-1")
    comms._patience_s = 30
    manager.hears("comm_msg", "a", "f-2")
    comms.saw_aside(idle_after("f-1"))
    busy = hears_in_a_thread(manager, "a", "f-3")
    while busy.is_alive():
        comms.saw_aside(idle_after("f-3"))
        busy.join(0.01)


def test_widgets_of_a_replayed_run_are_asked_for_their_newest_state(
    comms: SessionComms, told: list[CommMessage]
) -> None:
    other = Message("comm_open", {"comm_id": "b", "target_name": "of somebody's own", "data": {}})
    for message in (opens("a"), other, opens("gone"), closes("gone")):
        comms.saw_in_cell(message)
    comms.caught_up(replayed=True)
    comms.saw_in_cell(says("a", "older"))
    comms.caught_up(replayed=True)
    comms.caught_up(replayed=True)
    asks = CommMessage("comm_msg", {"comm_id": "a", "data": {"method": "request_state"}})
    assert told == [asks, asks]


class Opened:
    """A comm that the front end opens."""

    closed = False

    def close(self) -> None:
        self.closed = True


def test_a_page_that_asks_for_all_widgets_at_once_is_sent_to_each_while_there_are_far_ones(
    comms: SessionComms, manager: Manager
) -> None:
    asked: list[Any] = []
    manager.register_target(CONTROL, lambda comm, message: asked.append(message))
    comms.saw_in_cell(opens("a"))
    comms.saw_in_cell(opens("b"))
    first, second = Opened(), Opened()
    manager.targets[CONTROL](first, "while there are")
    comms.close()
    manager.targets[CONTROL](second, "afterwards")
    assert (first.closed, second.closed, asked) == (True, False, ["afterwards"])


class Played:
    """A comms run in a scripted client; the thread that follows it takes each step when the test says so."""

    def __init__(self, *steps: Step) -> None:
        self._steps = steps
        self._go = threading.Event()

    def script(self, request: RunRequest) -> Iterable[Step]:
        yield Changed(view(request))
        assert self._go.wait(10)
        yield from self._steps

    def to_the_end(self) -> None:
        self._go.set()
        for thread in threading.enumerate():
            if thread.name.startswith("farcell comms"):
                thread.join(10)
                assert not thread.is_alive()


def test_the_first_widget_of_a_session_asks_for_its_comms_run_and_the_next_do_not(
    manager: Manager, front: Front
) -> None:
    run = Played(Batch(1, [says("a", 1, parent="f-1")]), Changed(view(REQUEST, "ended")))
    client = ScriptedClient(run.script)
    far = FarComms(manager, front.publish, lambda: CELL, patience_s=0)
    for comm_id in ("a", "b"):
        watched = far.of_run(client)
        watched.see(VIEW)
        watched.saw(opens(comm_id))
        watched.caught_up()
    (request,) = client.requests
    assert (request.run, request.kind, request.expects) == (comms_run_of(SESSION), "comms", SESSION)
    assert (request.gpu, request.notebook, request.payload) == ("H100", "nb", b"")
    manager.hears("comm_msg", "b", "f-2")
    ((told_run, message),) = client.told
    assert told_run == comms_run_of(SESSION)
    assert isinstance(message, CommMessage)
    assert list(manager.comms) == ["a", "b"]
    run.to_the_end()
    assert front.shown == [("comm_msg", "a", 1, "f-1")]
    assert manager.comms == {}


def test_a_cell_without_widgets_asks_for_nothing_and_starts_no_thread(manager: Manager, front: Front) -> None:
    client = ScriptedClient()
    watched = FarComms(manager, front.publish, lambda: CELL, patience_s=0).of_run(client)
    before = threading.active_count()
    watched.see(VIEW)
    watched.caught_up()
    assert (client.requests, threading.active_count()) == ([], before)


def test_a_session_that_ended_before_its_widgets_were_seen_is_no_error(manager: Manager, front: Front) -> None:
    run = Played(SessionEnded("there is no session"))
    client = ScriptedClient(run.script)
    watched = FarComms(manager, front.publish, lambda: CELL, patience_s=0).of_run(client)
    watched.see(VIEW)
    watched.saw(opens("a"))
    run.to_the_end()
    assert manager.comms == {}


def test_a_watched_run_shows_comm_messages_and_hands_them_to_the_kernels_comms(
    far: Any, cell: Any, manager: Manager, front: Front
) -> None:
    from farcell import magics

    run = Played(Changed(view(REQUEST, "ended")))
    far(plays(opens("a"), says("a", 1)), run.script)
    loaded = magics.loaded()
    assert loaded is not None
    loaded.notebook.comms = FarComms(manager, front.publish, lambda: CELL, patience_s=0)
    assert cell("%%gpu\n1").success
    assert list(manager.comms) == ["a"]
    run.to_the_end()
