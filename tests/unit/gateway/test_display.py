"""Far output through a real ipykernel, as its front end receives it."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

FAKES = str(Path(__file__).parents[2] / "fakes")
SETUP = f"""
import sys; sys.path.insert(0, {FAKES!r})
from far_client import *
from farcell_protocol.frames import Message, End
from farcell.follow import Batch, Changed
%load_ext farcell
from farcell import magics
def far(*scripts):
    global client
    client = ScriptedClient(*scripts)
    notebook = magics.loaded().notebook
    notebook.disconnect()
    notebook.dial = lambda target, on_start: client
def waits_for_interrupt(request):
    yield Changed(view(request))
    while not client.said:
        yield __import__("time").sleep(0.02)
    yield Batch(1, [error("KeyboardInterrupt", ""), End("error")])
    yield Changed(view(request, "ended", outcome="error"))
"""


class Front:
    """A front end: sends cells, collects what is published for them."""

    def __init__(self, manager: KernelManager) -> None:
        self.manager = manager
        self.client = manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=30)

    def run(self, source: str, *, interrupt_on: str = "") -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """All messages but the statuses, and the reply."""
        return self.finish(self.client.execute(source), interrupt_on=interrupt_on)

    def finish(self, request: str, *, interrupt_on: str = "") -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The same for a cell that was sent."""
        found: list[dict[str, Any]] = []
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            message = self.client.get_iopub_msg(timeout=30)
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            if kind not in ("status", "execute_input"):
                found.append(message)
            if interrupt_on and interrupt_on in str(content.get("data", "")):
                self.manager.interrupt_kernel()
                interrupt_on = ""
        return found, self._reply_to(request)

    def _reply_to(self, request: str) -> dict[str, Any]:
        """A slow kernel also answers questions that were asked again while it was not ready."""
        while (reply := self.client.get_shell_msg(timeout=30))["parent_header"].get("msg_id") != request:
            continue
        content: dict[str, Any] = reply["content"]
        return content

    def answers(self, request: str) -> list[dict[str, Any]]:
        """All messages for a request, statuses too, until the kernel is idle after it."""
        found: list[dict[str, Any]] = []
        while not found or found[-1]["content"].get("execution_state") != "idle":
            message = self.client.get_iopub_msg(timeout=30)
            if message["parent_header"].get("msg_id") == request:
                found.append(message)
        return found


@pytest.fixture(scope="module")
def front() -> Iterator[Front]:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    made = Front(manager)
    _, reply = made.run(SETUP)
    assert reply["status"] == "ok", reply
    yield made
    made.client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_messages_arrive_unchanged_in_order_and_under_the_cell(front: Front) -> None:
    front.run(
        "picture = Message('display_data', {'data': {'image/png': 'aGk='}, 'metadata': {}, 'transient': {}},"
        " {'m': 1}, [b'raw'])\n"
        "far(plays(stream('far\\n'), picture, Message('clear_output', {'wait': True}),"
        " Message('execute_result', {'execution_count': 5, 'data': {'text/plain': '2'}, 'metadata': {}})))"
    )
    messages, reply = front.run("%%gpu\n1 + 1")
    kinds = [message["msg_type"] for message in messages]
    assert kinds == ["display_data", "stream", "display_data", "clear_output", "execute_result"]
    status, _, picture, _, result = messages
    assert "H100 (simulated)" in status["content"]["data"]["text/plain"]
    assert (picture["content"]["data"], picture["metadata"]) == ({"image/png": "aGk="}, {"m": 1})
    assert [bytes(buffer) for buffer in picture["buffers"]] == [b"raw"]
    assert result["content"]["execution_count"] == 5
    assert reply["status"] == "ok"


def test_the_status_line_tells_a_page_that_all_of_the_run_is_shown(front: Front) -> None:
    front.run("far(plays([stream('x\\n'), End('ok')]))")
    shown, _ = front.run("%%gpu H100\nprint('x')")
    lines = [one["content"] for one in shown if "display_data" in one["msg_type"]]
    mark = lines[-1]["metadata"]["farcell"]
    assert mark["state"] == "ended"
    assert f"run {mark['run']}" in lines[-1]["data"]["text/plain"]
    # A page that shows the same above the cell knows it by this.
    assert 'class="farcell-line"' in lines[-1]["data"]["text/html"]


def test_the_far_error_is_published_once_and_stops_run_all(front: Front) -> None:
    front.run("far(plays(stream('far\\n'), error('WeirdError', 'odd'), outcome='error'))")
    messages, reply = front.run("%%gpu\nboom()")
    errors = [message["content"] for message in messages if message["msg_type"] == "error"]
    assert errors == [
        {"ename": "WeirdError", "evalue": "odd", "traceback": ["far traceback", "WeirdError: odd"]},
    ]
    assert (reply["status"], reply["ename"]) == ("error", "WeirdError")


def test_the_stop_button_interrupts_the_far_code_and_stops_run_all(front: Front) -> None:
    front.run("far(waits_for_interrupt)")
    messages, reply = front.run("%%gpu\nwhile True: pass", interrupt_on="running on")
    texts = [str(message["content"].get("data", "")) for message in messages]
    assert any("press again to stop the session's worker" in text for text in texts)
    assert (
        len(
            {message["content"]["transient"]["display_id"] for message in messages if "transient" in message["content"]}
        )
        == 1
    )
    assert [message["msg_type"] for message in messages].count("error") == 1
    assert (reply["status"], reply["ename"]) == ("error", "FarInterrupt")
    _, after = front.run("assert client.said[0][0] == 'interrupt'")
    assert after["status"] == "ok"


def test_a_refusal_is_published_as_its_text(front: Front) -> None:
    front.run("far()\nimport threading; lock = threading.Lock()")
    messages, reply = front.run("%%gpu\nlock")
    (shown,) = [message["content"] for message in messages]
    assert reply["status"] == "error"
    assert shown["ename"] == "ValueNotPicklable"
    assert shown["traceback"][-1] == "(value-not-picklable)"


def test_what_was_printed_here_before_comes_before(front: Front) -> None:
    front.run("far(plays(stream('far\\n')))")
    messages, _ = front.run("print('here', end='')\nget_ipython().run_cell_magic('gpu', '', '1')\nprint('after')")
    order = [message["content"].get("text", message["msg_type"]) for message in messages]
    assert order == ["here", "display_data", "far\n", "after\n"]


def test_importing_farcell_is_light() -> None:
    import subprocess

    code = (
        "import ipykernel.ipkernel, sys, time; before = set(sys.modules); t = time.perf_counter(); import farcell;"
        "import farcell.magics; took = time.perf_counter() - t; new = set(sys.modules) - before;"
        "heavy = [m for m in ('websockets', 'litestar', 'uvicorn', 'numpy', 'sqlalchemy', 'httpx') if m in new];"
        "print(round(took, 3), heavy); sys.exit(bool(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr


ASKS = """
def asks(request):
    yield Changed(view(request))
    yield Batch(1, [Message('input_request', {'prompt': 'name? ', 'password': True})])
    while not client.told:
        yield __import__("time").sleep(0.02)
    yield Batch(2, [stream(repr(client.told[0][1]))])
    yield Batch(3, [End("ok")])
    yield Changed(view(request, "ended", outcome="ok"))
far(asks)
"""


def test_a_question_reaches_the_front_end_as_a_local_one_does_and_its_answer_the_run(front: Front) -> None:
    front.run(ASKS)
    request = front.client.execute("%%gpu\ninput()", allow_stdin=True)
    question = front.client.get_stdin_msg(timeout=30)
    assert question["content"] == {"prompt": "name? ", "password": True}
    assert question["parent_header"]["msg_id"] == request
    front.client.input("Ada")
    messages, reply = front.finish(request)
    assert reply["status"] == "ok"
    texts = [message["content"]["text"] for message in messages if message["msg_type"] == "stream"]
    assert texts == ["InputReply(request=1, value='Ada')"]


def test_a_cell_says_who_sent_it_and_whether_somebody_can_answer(front: Front) -> None:
    front.run("far(plays())")
    for allowed in (True, False):
        request = front.client.execute("%%gpu\n1", allow_stdin=allowed)
        front.finish(request)
        _, reply = front.run(f"assert (client.cell().msg_id, client.cell().allow_stdin) == ({request!r}, {allowed})")
        assert reply["status"] == "ok"


WIDGET = """
import threading
over = threading.Event()
def comms_run(request):
    yield Changed(view(request))
    while not client.told:
        yield __import__("time").sleep(0.02)
    run, message = client.told[0]
    yield Batch(1, [
        Message('comm_msg', {'comm_id': 'far-1', 'data': {'heard': message.content['data']}},
                buffers=message.buffers, parent=message.msg_id),
        Message('stream', {'name': 'stdout', 'text': 'in a callback'}, parent=message.msg_id),
        Message('status', {'execution_state': 'idle'}, parent=message.msg_id),
    ])
    over.wait(30)
    yield Changed(view(request, "ended"))
opens = Message('comm_open', {'comm_id': 'far-1', 'target_name': 'jupyter.widget', 'data': {}}, {'version': '2.1.0'})
far(plays(opens, stream('after')), comms_run)
"""


def test_a_far_widget_is_one_of_this_kernels_for_its_front_end(front: Front) -> None:
    front.run(WIDGET)
    messages, _ = front.run("%%gpu\nslider")
    opened = next(message for message in messages if message["msg_type"] == "comm_open")
    assert (opened["content"]["comm_id"], opened["metadata"]) == ("far-1", {"version": "2.1.0"})
    front.client.comm_info(target_name="jupyter.widget")
    comms = front.client.get_shell_msg(timeout=30)["content"]["comms"]
    assert comms == {"far-1": {"target_name": "jupyter.widget"}}
    said = front.client.session.msg("comm_msg", {"comm_id": "far-1", "data": {"value": 7}})
    front.client.session.send(front.client.shell_channel.socket, said, buffers=[b"raw"])
    answers = front.answers(said["header"]["msg_id"])
    # A front end takes nothing more for a message after the kernel was idle.
    assert [message["msg_type"] for message in answers] == ["status", "comm_msg", "stream", "status"]
    assert answers[1]["content"]["data"] == {"heard": {"value": 7}}
    assert [bytes(buffer) for buffer in answers[1]["buffers"]] == [b"raw"]
    assert answers[1]["parent_header"]["session"] == said["header"]["session"]
    front.run("over.set(); [t.join(10) for t in threading.enumerate() if t.name.startswith('farcell comms')]")
    front.client.comm_info()
    assert front.client.get_shell_msg(timeout=30)["content"]["comms"] == {}
