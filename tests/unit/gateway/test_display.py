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
        request = self.client.execute(source)
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
        return found, self.client.get_shell_msg(timeout=30)["content"]


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
