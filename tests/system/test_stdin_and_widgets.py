"""Questions and widgets of far cells, as a front end sees them: a real kernel, a real executor, a real worker."""

import hashlib
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import ipykernel
import pytest

from tests.fakes.proxy import Proxy
from tests.fakes.waiting import eventually
from tests.system.installation import Installation
from tests.system.notebooks import Message, Notebook, Shown, notebook, plain

pytestmark = [pytest.mark.system, pytest.mark.timeout(180), pytest.mark.xdist_group("stdin-and-widgets")]

WAIT_S = 60.0


class Front:
    """A front end with widgets: it keeps the state of each model, as the widgets' own JavaScript does."""

    def __init__(self, kernel: Notebook) -> None:
        self.kernel = kernel
        self.messages: list[Message] = []
        self.models: dict[str, dict[str, Any]] = {}
        self.buffers: dict[str, list[bytes]] = {}

    def until(self, condition: Callable[[], object], what: str = "", timeout_s: float = WAIT_S) -> None:
        """Receive until `condition`."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0, f"not within {timeout_s} s: {what}; {self.texts()[-2000:]!r} {self.errors()}"
            try:
                self._take(self.kernel.client.get_iopub_msg(timeout=min(left, 1)))
            except Empty:
                assert self.kernel.manager.is_alive(), "the kernel died"

    def _take(self, message: Message) -> None:
        self.messages.append(message)
        content = message["content"]
        if message["msg_type"] == "comm_open":
            self.models[content["comm_id"]] = dict(content["data"].get("state", {}))
            self.buffers[content["comm_id"]] = [bytes(buffer) for buffer in message["buffers"]]
        elif message["msg_type"] == "comm_msg" and content["data"].get("method") in ("update", "echo_update"):
            assert content["comm_id"] in self.models, "a message to a comm that is not open here"
            self.models[content["comm_id"]].update(content["data"]["state"])

    def run(self, source: str) -> str:
        """A cell to its end; its id."""
        request = self.kernel.send(source)
        self.until(lambda: self.is_done(request), f"{source!r} ends")
        reply = self.kernel.client.get_shell_msg(timeout=WAIT_S)
        while reply["parent_header"].get("msg_id") != request:
            reply = self.kernel.client.get_shell_msg(timeout=WAIT_S)
        assert reply["content"]["status"] == "ok", (self.texts(), self.errors())
        return request

    def is_done(self, request: str) -> bool:
        """Whether the kernel is idle after this request."""
        return any(m["content"]["execution_state"] == "idle" for m in self.of(request, "status"))

    def of(self, request: str, kind: str) -> list[Message]:
        """The messages of one kind that are published under this request."""
        return [m for m in self.messages if m["parent_header"].get("msg_id") == request and m["msg_type"] == kind]

    def said_of_comms(self) -> list[tuple[str, str]]:
        """The kinds of the comm messages, and their comms."""
        return [(m["msg_type"], m["content"]["comm_id"]) for m in self.messages if m["msg_type"].startswith("comm_")]

    def texts(self, request: str = "") -> str:
        """What was printed, under one request or any."""
        streams = [m for m in self.messages if m["msg_type"] == "stream"]
        return "".join(m["content"]["text"] for m in streams if request in ("", m["parent_header"].get("msg_id")))

    def errors(self) -> list[str]:
        """The errors shown."""
        return [plain("\n".join(m["content"]["traceback"])) for m in self.messages if m["msg_type"] == "error"]

    def model(self, name: str) -> str:
        """The id of the newest model of this class."""
        return [key for key, state in self.models.items() if state.get("_model_name") == name][-1]

    def newest_run(self) -> str:
        """The run that the last status line names."""
        shown = [m["content"]["data"]["text/plain"] for m in self.messages if "display_data" in m["msg_type"]]
        found = re.findall(r"\br-[0-9a-z]{12}\b", " ".join(shown))
        return str(found[-1])

    def listed(self) -> dict[str, Any]:
        """The comms that the kernel says there are, with their targets."""
        asked = self.kernel.client.comm_info()
        while True:
            reply = self.kernel.client.get_shell_msg(timeout=WAIT_S)
            if reply["parent_header"].get("msg_id") == asked:
                comms = reply["content"]["comms"]
                assert isinstance(comms, dict)
                return comms

    def say(self, model: str, data: dict[str, Any], buffers: list[bytes] | None = None) -> str:
        """Something to a model, without waiting; the message's id."""
        session, channel = self.kernel.client.session, self.kernel.client.shell_channel
        message = session.msg("comm_msg", {"comm_id": model, "data": data})
        session.send(channel.socket, message, buffers=buffers)
        sent = message["header"]["msg_id"]
        assert isinstance(sent, str)
        return sent

    def set(self, model: str, **state: object) -> str:
        """What moving a slider says."""
        return self.say(model, {"method": "update", "state": state, "buffer_paths": []})

    def click(self, model: str) -> str:
        """What pressing a button says."""
        return self.say(model, {"method": "custom", "content": {"event": "click"}})


@pytest.fixture
def front(shared_kernel: Notebook) -> Front:
    return Front(shared_kernel)


def answered(kernel: Notebook, source: str, *answers: str) -> Shown:
    """Run a cell that asks, and answer."""
    request = kernel.send(source)
    for answer in answers:
        kernel.client.get_stdin_msg(timeout=WAIT_S)
        kernel.client.input(answer)
    shown = kernel.finish(request)
    assert shown.status == "ok", shown.error
    return shown


# ---- questions --------------------------------------------------------------------------------------------


def test_input_asks_here_and_answers_there(shared_kernel: Notebook) -> None:
    request = shared_kernel.send("%%gpu cpu\nprint('before')\nname = input('name? ')\nprint('hello', name)")
    question = shared_kernel.client.get_stdin_msg(timeout=WAIT_S)
    assert question["content"] == {"prompt": "name? ", "password": False}
    assert question["parent_header"]["msg_id"] == request
    shared_kernel.client.input("Ada")
    shown = shared_kernel.finish(request)
    assert shown.text == "before\nhello Ada\n"
    assert shared_kernel.ok("name").result == "'Ada'"


def test_getpass_hides_what_is_typed(shared_kernel: Notebook) -> None:
    request = shared_kernel.send("%%gpu cpu\nfrom getpass import getpass\nlength = len(getpass('pin: '))")
    question = shared_kernel.client.get_stdin_msg(timeout=WAIT_S)
    assert question["content"] == {"prompt": "pin: ", "password": True}
    shared_kernel.client.input("1234")
    shared_kernel.finish(request)
    assert shared_kernel.ok("length").result == "4"


def test_output_of_a_thread_is_shown_while_the_cell_waits_for_an_answer(shared_kernel: Notebook) -> None:
    request = shared_kernel.send(
        "%%gpu cpu\nimport threading\ngo = threading.Event()\n"
        "threading.Timer(0.3, lambda: print('from a thread', flush=True)).start()\nx = input()"
    )
    shared_kernel.client.get_stdin_msg(timeout=WAIT_S)
    shown = shared_kernel.finish(request, until=lambda shown: "from a thread" in shown.text)
    shared_kernel.client.input("x")
    assert shared_kernel.finish(request, shown=shown).status == "ok"


def test_the_debugger_is_talked_to_line_by_line(shared_kernel: Notebook) -> None:
    source = "%%gpu cpu\ndef f():\n    inside = 6\n    breakpoint()\n    return inside\nf()"
    shown = answered(shared_kernel, source, "p inside * 7", "c")
    assert "42" in shown.text


def test_after_a_far_error_the_debugger_looks_into_it(shared_kernel: Notebook) -> None:
    shared_kernel.run("%%gpu cpu\ndef g():\n    culprit = 'found'\n    return 1 / 0\ng()")
    shown = answered(shared_kernel, "%%gpu cpu\n%debug", "p culprit", "q")
    assert "'found'" in shown.text


def test_the_stop_button_ends_a_question_and_the_next_cell_is_not_given_its_answer(shared_kernel: Notebook) -> None:
    request = shared_kernel.send("%%gpu cpu\nx = input('never? ')")
    shared_kernel.client.get_stdin_msg(timeout=WAIT_S)
    shared_kernel.interrupt()
    shown = shared_kernel.finish(request)
    assert shown.status == "error"
    shared_kernel.client.input("too late")
    shown = answered(shared_kernel, "%%gpu cpu\nprint(input('now? '))", "in time")
    assert shown.text == "in time\n"


def test_where_nobody_can_answer_input_raises_as_locally(shared_kernel: Notebook) -> None:
    request = shared_kernel.client.execute("%%gpu cpu\ninput()", allow_stdin=False)
    shown = shared_kernel.finish(request)
    assert [error["ename"] for error in shown.errors] == ["StdinNotImplementedError"]


def test_an_open_question_of_another_kernels_run_is_asked_where_it_is_attached(
    shared_home: Installation, shared_kernel: Notebook, tmp_path: Path
) -> None:
    request = shared_kernel.send("%%gpu cpu\nprint('first')\nx = input('who? ')\nprint('it was', x)")
    shared_kernel.client.get_stdin_msg(timeout=WAIT_S)
    with notebook(shared_home.environment, tmp_path) as second:
        attached = second.send("%gpu attach")
        assert second.client.get_stdin_msg(timeout=WAIT_S)["content"]["prompt"] == "who? "
        second.client.input("the other")
        assert second.finish(attached).text == "first\nit was the other\n"
    assert shared_kernel.finish(request).text == "first\nit was the other\n"


# ---- widgets ----------------------------------------------------------------------------------------------

SLIDER = """%%gpu cpu
import ipywidgets as widgets
slider, label = widgets.IntSlider(value=1), widgets.Label('none')
seen = []
def moved(change):
    seen.append(change.new)
    label.value = f'at {change.new}'
    print('moved to', change.new)
slider.observe(moved, 'value')
display(slider, label)
"""


def test_a_slider_calls_its_callback_there_which_prints_and_changes_a_label_here(front: Front) -> None:
    cell = front.run(SLIDER)
    opened = [m["content"]["comm_id"] for m in front.of(cell, "comm_open")]
    shown = [m["content"]["data"] for m in front.of(cell, "display_data")]
    slider, label = front.model("IntSliderModel"), front.model("LabelModel")
    assert {slider, label} <= set(opened)
    assert any(data.get("application/vnd.jupyter.widget-view+json", {}).get("model_id") == slider for data in shown)
    moved = front.set(slider, value=5)
    front.until(lambda: front.models[label]["value"] == "at 5" and front.texts(moved), "the label follows")
    assert front.texts(moved) == "moved to 5\n"
    cell = front.run("%%gpu cpu\nprint(seen, slider.value)")
    assert front.texts(cell) == "[5] 5\n"


def test_the_kernel_lists_far_widgets_for_a_page_that_is_loaded_again(front: Front) -> None:
    front.run(SLIDER)
    slider = front.model("IntSliderModel")
    assert front.listed()[slider] == {"target_name": "jupyter.widget"}
    asked = front.say(slider, {"method": "request_state"})
    front.until(lambda: front.of(asked, "comm_msg"), "the state comes")
    state = front.of(asked, "comm_msg")[0]["content"]["data"]
    assert (state["method"], state["state"]["value"]) == ("update", 1)


def test_a_page_loaded_again_finds_local_and_far_widgets(front: Front) -> None:
    front.run("import ipywidgets\nhere = ipywidgets.IntText(value=3)")
    front.run(SLIDER)
    here, far = front.model("IntTextModel"), front.model("IntSliderModel")
    session, channel = front.kernel.client.session, front.kernel.client.shell_channel
    content = {"comm_id": "asks", "target_name": "jupyter.widget.control", "data": {}}
    session.send(channel.socket, session.msg("comm_open", content, metadata={"version": "1.0.0"}))
    front.until(lambda: ("comm_close", "asks") in front.said_of_comms(), "it is told to ask each")
    assert {here, far} <= set(front.listed())
    for model, value in ((here, 3), (far, 1)):
        asked = front.say(model, {"method": "request_state"})
        front.until(lambda asked=asked: front.of(asked, "comm_msg"), "the state comes")
        assert front.of(asked, "comm_msg")[0]["content"]["data"]["state"]["value"] == value


def test_a_button_is_pressed_as_often_there_as_here(front: Front) -> None:
    front.run(
        "%%gpu cpu\nimport ipywidgets as widgets\nbutton, presses = widgets.Button(description='go'), []\n"
        "button.on_click(lambda b: (presses.append(1), print('pressed', len(presses))))\nbutton"
    )
    button = front.model("ButtonModel")
    clicks = [front.click(button) for _ in range(30)]
    front.until(lambda: front.texts(clicks[-1]), "the last press")
    assert "".join(front.texts(click) for click in clicks) == "".join(f"pressed {n}\n" for n in range(1, 31))


def test_an_output_widget_captures_by_the_id_of_the_local_request(front: Front) -> None:
    cell = front.run(
        "%%gpu cpu\nfrom ipywidgets import Output\nout = Output()\ndisplay(out)\nwith out:\n    print('inside')\n"
    )
    ids = [
        m["content"]["data"]["state"]["msg_id"]
        for m in front.of(cell, "comm_msg")
        if "msg_id" in m["content"]["data"].get("state", {})
    ]
    assert ids == [cell, ""]
    caught = [m["msg_type"] for m in front.messages if m["parent_header"].get("msg_id") == cell]
    # The status line is not among what it catches, but for redrawings, which it does not show.
    inside = caught[caught.index("comm_msg") + 1 :]
    assert [kind for kind in inside[: inside.index("comm_msg")] if kind != "update_display_data"] == ["stream"]


@pytest.mark.parametrize("size", [300_000, 5_000_000])
def test_an_images_bytes_arrive_whole_in_both_directions(front: Front, size: int) -> None:
    front.run(
        f"%%gpu cpu\nimport ipywidgets as widgets, os, hashlib\nraw = bytes(range(256)) * {size // 256}\n"
        "image = widgets.Image(value=raw)\n"
        "image.observe(lambda change: print(hashlib.sha256(change.new).hexdigest()), 'value')\nimage"
    )
    image = front.model("ImageModel")
    assert front.buffers[image] == [bytes(range(256)) * (size // 256)]
    other = os.urandom(size)
    data = {"method": "update", "state": {}, "buffer_paths": [["value"]]}
    sent = front.say(image, data, [other])
    front.until(lambda: front.texts(sent), "the image was seen there")
    assert front.texts(sent) == hashlib.sha256(other).hexdigest() + "\n"


@pytest.mark.skipif(ipykernel.version_info < (7,), reason="subshells came with ipykernel 7")
def test_a_cell_that_runs_sees_a_widgets_callbacks_where_front_ends_use_subshells(front: Front) -> None:
    front.run(SLIDER)
    slider = front.model("IntSliderModel")
    client = front.kernel.client
    client.session.send(client.control_channel.socket, client.session.msg("create_subshell_request"))
    subshell = client.get_control_msg(timeout=WAIT_S)["content"]["subshell_id"]
    waits = front.kernel.send(
        "%%gpu cpu\nimport time\nend = time.monotonic() + 30\n"
        "while slider.value != 9 and time.monotonic() < end: time.sleep(0.02)\nslider.value"
    )
    front.until(lambda: front.of(waits, "execute_input"), "the cell has begun")
    message = client.session.msg("comm_msg", {"comm_id": slider, "data": {"method": "update", "state": {"value": 9}}})
    message["header"]["subshell_id"] = subshell
    client.session.send(client.shell_channel.socket, message)
    front.until(lambda: front.is_done(waits), "the cell saw the slider move")
    (result,) = front.of(waits, "execute_result")
    assert result["content"]["data"]["text/plain"] == "9"
    front.until(lambda: "moved to 9" in front.texts(message["header"]["msg_id"]), "the callback's output")


def test_without_subshells_a_widgets_messages_wait_until_the_cell_ends_and_then_all_come(front: Front) -> None:
    front.run(SLIDER)
    slider = front.model("IntSliderModel")
    waits = front.kernel.send("%%gpu cpu\nimport time\ntime.sleep(0.5)\nprint(slider.value)")
    front.until(lambda: front.of(waits, "execute_input"), "the cell has begun")
    moves = [front.set(slider, value=n) for n in (3, 4)]
    front.until(lambda: front.is_done(moves[-1]), "the messages were handled")
    assert [front.texts(request) for request in (waits, *moves)] == ["1\n", "moved to 3\n", "moved to 4\n"]


def test_interact_shows_what_its_function_says_inside_its_output(front: Front) -> None:
    front.run(
        "%%gpu cpu\nfrom ipywidgets import interact\n"
        "@interact(x=(0, 10))\ndef square(x=2):\n    print(x * x)\n    return x"
    )
    slider, out = front.model("IntSliderModel"), front.model("OutputModel")
    moved = front.set(slider, value=5)
    front.until(lambda: front.is_done(moved), "the function was called")
    said = [(m["msg_type"], m["content"]) for m in front.messages if m["parent_header"].get("msg_id") == moved]
    kinds = [
        content["data"]["state"]["msg_id"] if kind == "comm_msg" and content["comm_id"] == out else kind
        for kind, content in said
        if kind != "comm_msg" or (content["comm_id"] == out and "msg_id" in content["data"].get("state", {}))
    ]
    assert kinds == ["status", moved, "clear_output", "stream", "display_data", "", "status"]
    assert front.texts(moved) == "25\n"


def test_linked_widgets_name_each_other_by_the_ids_they_have_here(front: Front) -> None:
    front.run(
        "%%gpu cpu\nfrom ipywidgets import IntSlider, IntText, jslink\na, b = IntSlider(), IntText()\n"
        "link = jslink((a, 'value'), (b, 'value'))\ndisplay(a, b)"
    )
    link = front.models[front.model("LinkModel")]
    a, b = front.model("IntSliderModel"), front.model("IntTextModel")
    assert (link["source"], link["target"]) == ([f"IPY_MODEL_{a}", "value"], [f"IPY_MODEL_{b}", "value"])


def test_the_stop_button_ends_a_callback_that_does_not_end(front: Front) -> None:
    front.run(
        "%%gpu cpu\nimport time\nfrom ipywidgets import Button\nbutton, n = Button(), []\ndef press(b):\n"
        "    n.append(1); print('go', len(n))\n    while len(n) == 1: time.sleep(0.01)\n"
        "button.on_click(press)\nbutton"
    )
    button = front.model("ButtonModel")
    first = front.click(button)
    front.until(lambda: "go 1" in front.texts(first), "the callback runs")
    os.kill(front.kernel.pid, signal.SIGINT)
    front.until(lambda: front.is_done(first), "it was interrupted", 5)
    assert "KeyboardInterrupt" in "".join(front.errors())
    second = front.click(button)
    front.until(lambda: "go 2" in front.texts(second), "the next one is handled")
    cell = front.run("%%gpu cpu\nprint(len(n))")
    assert front.texts(cell) == "2\n"


def test_an_error_in_a_callback_is_shown_under_the_message_and_the_next_one_is_handled(front: Front) -> None:
    front.run(
        "%%gpu cpu\nfrom ipywidgets import Button\nbutton, n = Button(), []\n"
        "button.on_click(lambda b: (n.append(1), 1 / (len(n) - 1), print('fine')))\nbutton"
    )
    button = front.model("ButtonModel")
    first, second = front.click(button), front.click(button)
    front.until(lambda: front.is_done(second), "both presses were handled")
    assert "ZeroDivisionError" in "".join(front.texts(first)) + "".join(front.errors())
    assert front.texts(second) == "fine\n"


def test_widgets_of_a_cell_whose_session_ends_with_it_are_shown_and_then_are_no_more(front: Front) -> None:
    front.run(SLIDER.replace("%%gpu cpu", "%%gpu cpu --once"))
    assert front.models[front.model("LabelModel")]["value"] == "none"
    slider = front.model("IntSliderModel")
    eventually(lambda: slider not in front.listed(), "the stand-in is gone")


def test_a_thread_that_a_cell_left_behind_goes_on_changing_its_bar(front: Front) -> None:
    front.run(
        "%%gpu cpu\nimport ipywidgets as widgets, threading\nbar, go = widgets.IntProgress(max=5), threading.Event()\n"
        "def work():\n    go.wait(30)\n    for n in range(1, 6):\n        bar.value = n\n    print('done')\n"
        "threading.Thread(target=work).start()\nbar"
    )
    last = front.run("%%gpu cpu\ngo.set()")
    bar = front.model("IntProgressModel")
    front.until(lambda: front.models[bar]["value"] == 5 and "done" in front.texts(), "the bar is full")
    assert last


def test_far_widgets_end_quietly_with_their_session(front: Front) -> None:
    front.run(SLIDER.replace("%%gpu cpu", "%%gpu cpu --session short"))
    slider = front.model("IntSliderModel")
    front.run("%gpu stop short")
    eventually(lambda: slider not in front.listed(), "the stand-in is gone")


# ---- what breaks --------------------------------------------------------------------------------------------


@pytest.fixture
def proxied(home: Installation, tmp_path: Path) -> Iterator[tuple[Proxy, Notebook]]:
    """A kernel whose link to the executor can be cut."""
    home.start("up", "--port", "0")
    eventually(lambda: home.places.token_file.exists() and home.address(), "the executor listens")
    with (
        Proxy(("127.0.0.1", int(home.address().rpartition(":")[2]))) as proxy,
        notebook(home.environment, tmp_path) as kernel,
    ):
        kernel.ok(f"%gpu connect {proxy.url} --token-file {home.places.token_file}")
        yield proxy, kernel


def test_presses_and_moves_over_a_link_that_breaks_arrive_once_and_in_order(proxied: tuple[Proxy, Notebook]) -> None:
    proxy, kernel = proxied
    front = Front(kernel)
    front.run(
        SLIDER
        + "button, presses = widgets.Button(), []\nbutton.on_click(lambda b: presses.append(slider.value))\nbutton"
    )
    slider, button, label = (front.model(f"{name}Model") for name in ("IntSlider", "Button", "Label"))
    for n in range(2, 62):
        front.set(slider, value=n)
        front.click(button)
        if n % 10 == 1:
            proxy.cut()
            front.until(lambda n=n: front.models[label]["value"] == f"at {n}", "what was moved comes back")
    cell = front.run("%%gpu cpu\nprint(presses == list(range(2, 62)), seen == list(range(2, 62)))")
    assert front.texts(cell) == "True True\n"
    labels = [
        m["content"]["data"]["state"]["value"]
        for m in front.messages
        if m["msg_type"] == "comm_msg" and m["content"]["comm_id"] == label
    ]
    assert labels == [f"at {n}" for n in range(2, 62)]
    assert proxy.cuts >= 5


def test_an_answer_typed_while_the_link_is_down_arrives(proxied: tuple[Proxy, Notebook]) -> None:
    proxy, kernel = proxied
    request = kernel.send("%%gpu cpu\nprint('got', input())")
    kernel.client.get_stdin_msg(timeout=WAIT_S)
    proxy.refusing = True
    proxy.cut()
    eventually(lambda: proxy.cuts, "the link is down")
    kernel.client.input("it")
    proxy.refusing = False
    assert kernel.finish(request).text == "got it\n"


def test_widgets_of_a_kernel_that_died_live_on_in_the_next_with_their_newest_state(
    home: Installation, tmp_path: Path
) -> None:
    with notebook(home.environment, tmp_path) as kernel:
        front = Front(kernel)
        front.run(SLIDER)
        runs = [front.newest_run()]
        front.run("%%gpu cpu\nslider.value = 6")
        runs.append(front.newest_run())
        moved = front.set(front.model("IntSliderModel"), value=7)
        front.until(lambda: front.texts(moved), "the callback ran")
        kernel.kill()
    with notebook(home.environment, tmp_path) as kernel:
        front = Front(kernel)
        for run in runs:
            front.run(f"%gpu attach {run}")
        slider, label = front.model("IntSliderModel"), front.model("LabelModel")
        front.until(lambda: front.models[label]["value"] == "at 7", "its newest state")
        front.until(lambda: front.models[slider]["value"] == 7, "the slider's too")
        moved = front.set(slider, value=8)
        front.until(lambda: front.models[label]["value"] == "at 8", "it still works")
        front.until(lambda: front.texts(moved), "and prints")
        assert front.texts(moved) == "moved to 8\n"


def test_a_slider_goes_on_when_the_executor_was_killed(home: Installation, kernel: Notebook) -> None:
    front = Front(kernel)
    front.run(SLIDER)
    slider, label = front.model("IntSliderModel"), front.model("LabelModel")
    front.set(slider, value=2)
    front.until(lambda: front.models[label]["value"] == "at 2", "the label follows")
    os.kill(home.executor_pid, signal.SIGKILL)
    moves = [front.set(slider, value=n) for n in range(3, 8)]
    front.until(lambda: front.models[label]["value"] == "at 7", "the label follows again")
    front.until(lambda: front.is_done(moves[-1]), "all was handled")
    cell = front.run("%%gpu cpu\nprint(seen)")
    assert front.texts(cell) == "[2, 3, 4, 5, 6, 7]\n"
