"""ipywidgets themselves, with a front end's messages made by hand."""

from typing import Any

import pytest

from farcell_protocol.frames import Frame, Message
from tests.unit.worker.standin import FarWorker, Ran
from tests.unit.worker.talk import busy, is_a, says, text_has

pytest.importorskip("ipywidgets")


def model_id(ran: Ran, name: str) -> str:
    """The comm of the widget whose model has this name."""
    [found] = [
        message.content["comm_id"]
        for message in ran.messages
        if message.msg_type == "comm_open" and message.content["data"]["state"]["_model_name"] == name
    ]
    return str(found)


def update(state: dict[str, Any]) -> dict[str, Any]:
    return {"method": "update", "state": state, "buffer_paths": []}


def test_a_slider_calls_its_observer_far_away(worker: FarWorker) -> None:
    ran = worker.run(
        "import ipywidgets as w\ns = w.IntSlider()\ns.observe(lambda change: print('now', change['new']), 'value')\ns"
    )
    assert ran.kinds()[-1] == "execute_result"
    assert ran.kinds().count("comm_open") == 3  # layout and style too
    comms = worker.open_comms()
    worker.tell(comms, says("comm_msg", update({"value": 7}), comm=model_id(ran, "IntSliderModel"), msg_id="m1"))
    [*_, said] = worker.up_to(comms, text_has("now 7\n"))
    assert isinstance(said, Message)
    assert said.parent == "m1"
    assert worker.run("s.value").result == "7"


def test_a_button_is_pressed_while_the_cell_computes(worker: FarWorker) -> None:
    ran = worker.run(
        "import ipywidgets as w, time\n"
        "pressed = []\n"
        "b = w.Button()\n"
        "b.on_click(lambda _: (pressed.append(1), print('clicked')))"
    )
    comms, button = worker.open_comms(), model_id(ran, "ButtonModel")
    run = busy(worker, "while len(pressed) < 3: time.sleep(0.001)\nprint('enough')")
    for _ in range(3):
        worker.tell(comms, says("comm_msg", {"method": "custom", "content": {"event": "click"}}, comm=button))
        worker.up_to(comms, text_has("clicked\n"))
    assert Ran(list(worker.frames(run))).text() == "enough\n"


def test_an_output_widget_names_the_message_whose_output_it_takes(worker: FarWorker) -> None:
    ran = worker.run("import ipywidgets as w\no = w.Output()\nwith o: print('inside')\nprint('outside')", msg_id="req")
    assert _captured(ran.frames) == ["req", ""]
    assert ran.text() == "inside\noutside\n"

    ran = worker.run("s = w.IntSlider()\n@o.capture()\ndef seen(change): print('seen')\ns.observe(seen, 'value')")
    comms = worker.open_comms()
    worker.tell(comms, says("comm_msg", update({"value": 7}), comm=model_id(ran, "IntSliderModel"), msg_id="m1"))
    frames = worker.up_to(comms, is_a("stream"))
    frames += worker.up_to(comms, is_a("comm_msg"))
    assert _captured(frames) == ["m1", ""]


def test_an_output_widget_in_a_callback_beside_a_cell_leaves_the_cells_parent(worker: FarWorker) -> None:
    ran = worker.run(
        "import ipywidgets as w\n"
        "o, s, done = w.Output(), w.IntSlider(), []\n"
        "@o.capture()\n"
        "def seen(change): done.append(1)\n"
        "s.observe(seen, 'value')"
    )
    comms = worker.open_comms()
    run = busy(worker, "while not done: pass\nget_ipython().get_parent()['header']['msg_id']", msg_id="req")
    worker.tell(comms, says("comm_msg", update({"value": 7}), comm=model_id(ran, "IntSliderModel"), msg_id="m1"))
    assert Ran(list(worker.frames(run))).result == "'req'"


def test_an_image_widget_carries_its_bytes_as_buffers(worker: FarWorker) -> None:
    ran = worker.run("import ipywidgets as w\ni = w.Image(value=b'x' * 5_000_000)")
    [opened] = [m for m in ran.messages if m.msg_type == "comm_open" and m.buffers]
    assert opened.buffers == [b"x" * 5_000_000]
    assert opened.content["data"]["buffer_paths"] == [["value"]]


def test_interact_shows_what_its_function_says(worker: FarWorker) -> None:
    ran = worker.run("import ipywidgets as w\nf = w.interact(lambda x: print('x is', x), x=3)")
    assert "x is 3" in ran.text()
    comms = worker.open_comms()
    worker.tell(comms, says("comm_msg", update({"value": 5}), comm=model_id(ran, "IntSliderModel"), msg_id="m1"))
    worker.up_to(comms, text_has("x is 5\n"))


def test_a_front_end_that_comes_later_is_given_all_states(worker: FarWorker) -> None:
    worker.run("import ipywidgets as w\ns = w.IntSlider(value=3)")
    comms = worker.open_comms()
    target = {"target_name": "jupyter.widget.control"}
    worker.tell(comms, says("comm_open", comm="control", content=target, metadata={"version": "1.0.0"}))
    worker.tell(comms, says("comm_msg", {"method": "request_states"}, comm="control", msg_id="m1"))
    [*_, states] = worker.up_to(comms, is_a("comm_msg"))
    assert isinstance(states, Message)
    assert states.content["data"]["method"] == "update_states"
    assert len(states.content["data"]["states"]) == 3


def _captured(frames: list[Frame]) -> list[str]:
    """The messages that an Output widget asked for the output of, in turn."""
    states = [m.content["data"].get("state", {}) for m in Ran(frames).messages if m.msg_type == "comm_msg"]
    return [state["msg_id"] for state in states if "msg_id" in state]
