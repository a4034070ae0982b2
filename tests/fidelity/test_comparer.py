"""The comparer itself: one altered message of any kind is a difference, and what is normal is not."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.fidelity.compare import Said, differences, said
from tests.fidelity.normal import RULES, STATUS_LINE, in_text, normalised
from tests.system.notebooks import Shown


def message(kind: str, /, *, metadata: Any = None, buffers: tuple[bytes, ...] = (), **content: Any) -> dict[str, Any]:
    return {"msg_type": kind, "content": content, "metadata": metadata or {}, "buffers": list(buffers)}


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return message("stream", name=name, text=text)


def display(text: str, kind: str = "display_data", **transient: Any) -> dict[str, Any]:
    return message(kind, data={"text/plain": text}, metadata={}, transient=transient)


def cell(*messages: dict[str, Any], status: str = "ok") -> Said:
    return said(Shown(list(messages), status))


@dataclass(frozen=True)
class Altered:
    """What one side says, and what the other says instead."""

    name: str
    here: dict[str, Any]
    there: dict[str, Any]


def result(text: str = "1", number: int = 3) -> dict[str, Any]:
    return message("execute_result", data={"text/plain": text}, metadata={}, execution_count=number)


def error(name: str = "ValueError", text: str = "no", line: str = "----> 1 f()") -> dict[str, Any]:
    return message("error", ename=name, evalue=text, traceback=[line])


def comm(state: int = 1, kind: str = "comm_msg", buffers: tuple[bytes, ...] = (b"ab",)) -> dict[str, Any]:
    return message(kind, comm_id="c", data={"state": state}, buffers=buffers)


ALTERED = [
    Altered("another text", stream("a"), stream("b")),
    Altered("a missing newline", stream("a\n"), stream("a")),
    Altered("the other stream", stream("a"), stream("a", "stderr")),
    Altered("a colour", stream("\x1b[31ma"), stream("\x1b[32ma")),
    Altered("a display's text", display("a"), display("b")),
    Altered("a display's id", display("a", display_id="x"), display("a", display_id="y")),
    Altered("another representation", display("a"), message("display_data", data={"text/html": "a"}, metadata={})),
    Altered("an update that is a display", display("a", "update_display_data"), display("a")),
    Altered("an update's text", display("a", "update_display_data"), display("b", "update_display_data")),
    Altered("a display's metadata", display("a"), display("a") | {"metadata": {"k": 1}}),
    Altered("a display's buffers", display("a"), display("a") | {"buffers": [b"x"]}),
    Altered("when output is cleared", message("clear_output", wait=True), message("clear_output", wait=False)),
    Altered("a result's text", result("1"), result("2")),
    Altered("a result's number", result(number=3), result(number=4)),
    Altered("an error's name", error(), error(name="KeyError")),
    Altered("an error's text", error(), error(text="yes")),
    Altered("a line of a traceback", error(), error(line="----> 2 f()")),
    Altered("a widget's state", comm(), comm(state=2)),
    Altered("a byte of a widget's buffer", comm(), comm(buffers=(b"ac",))),
    Altered("how a comm begins", comm(kind="comm_open"), comm(kind="comm_close")),
    Altered("a question", message("input_request", prompt="a", password=False), message("input_request", prompt="b")),
]


@pytest.mark.parametrize("altered", ALTERED, ids=lambda altered: altered.name)
def test_an_altered_message_is_a_difference(altered: Altered):
    around = stream("before\n", "stderr"), stream("after\n", "stderr")
    same = cell(around[0], altered.here, around[1])
    assert differences([same], [same]) == []
    assert len(differences([same], [cell(around[0], altered.there, around[1])])) >= 1


@pytest.mark.parametrize("altered", ALTERED, ids=lambda altered: altered.name)
def test_a_message_too_many_too_few_or_elsewhere_is_a_difference(altered: Altered):
    other = display("other")
    same = [cell(altered.here, other)]
    assert differences(same, [cell(altered.here)])
    assert differences(same, [cell(altered.here, altered.here, other)])
    assert differences(same, [cell(other, altered.here)])


def test_another_answer_is_a_difference():
    assert differences([cell()], [cell(status="error")]) == ["cell 1: answered 'ok' locally, 'error' far"]


def test_another_error_in_the_answer_is_a_difference():
    ours, theirs = (said(Shown([], "error", {"ename": name, "evalue": "no"})) for name in ("KeyError", "ValueError"))
    assert differences([ours], [ours]) == []
    assert differences([ours], [theirs])


def test_another_number_of_cells_is_a_difference():
    assert differences([cell(), cell()], [cell()])


def test_the_order_of_both_streams_counts():
    assert differences([cell(stream("a"), stream("b", "stderr"))], [cell(stream("b", "stderr"), stream("a"))])


def test_where_text_is_cut_into_messages_does_not_count():
    assert differences([cell(stream("a"), stream("b"))], [cell(stream("ab"))]) == []


def test_only_a_far_cells_own_status_line_is_taken_away():
    line = display("CPU", display_id=f"{STATUS_LINE}1")
    again = display("CPU · 1 s", "update_display_data", display_id=f"{STATUS_LINE}1")
    assert differences([cell(stream("a"))], [cell(line, stream("a"), again)]) == []
    assert differences([cell(stream("a"))], [cell(display("CPU", display_id="x"), stream("a"))])


def test_text_on_both_sides_of_the_status_line_is_one_text():
    line = display("CPU", display_id=f"{STATUS_LINE}1")
    assert differences([cell(stream("ab"))], [cell(stream("a"), line, stream("b"))]) == []


NORMAL = [
    ("<function f at 0x7f2774d1e0c0>", "<function f at 0x7fb78ec1f250>"),
    ("/tmp/ipykernel_123/456.py:1: UserWarning", "/tmp/ipykernel_99/456.py:1: UserWarning"),
    ("/tmp/x-1/fidelity0/here/ran.py", "/tmp/x-1/fidelity0/away/ran.py"),
    ("Wall time: 5.96 μs", "Wall time: 12 ms"),
    ("100%|██| 3/3 [00:00<00:00, 3000.51it/s]", "100%|██| 3/3 [00:01<00:00, 2.5it/s]"),
    ("id 9f86d081884c7d659a2feaa0c55ad015", "id 0123456789abcdef0123456789abcdef"),
    ("msg 40a14044-11a69e6a100f8b8210687db0_24059_413", "msg 0f01f3ea-5a78cc7f325ad909f42d54fa_24060_420"),
]


@pytest.mark.parametrize(("here", "there"), NORMAL)
def test_what_differs_between_two_runs_anyway_does_not_count(here: str, there: str):
    assert differences([cell(stream(here))], [cell(stream(there))]) == []


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("Cell In[3], line 2", "Cell In[3], line 3"),
        ("x = 0.1", "x = 0.2"),
        ("/tmp/ipykernel_1/456.py", "/tmp/ipykernel_1/457.py"),
        ("12 rows", "13 rows"),
        ("0x1f", "0x2f"),
        ("/home/here/a.py", "/home/here/b.py"),
        ("50%|███ | 1/2", "100%|███| 2/2"),
    ],
)
def test_what_only_looks_like_it_counts(here: str, there: str):
    assert differences([cell(stream(here))], [cell(stream(there))])


def test_each_rule_has_a_reason_and_is_needed():
    for rule in RULES:
        assert rule.reason
        assert any(rule.pattern.search(text) for pair in NORMAL for text in pair), rule


def test_a_rule_takes_no_time_over_text_it_does_not_fit():
    in_text("1" * 200_000)
    in_text("A/" * 200_000)
    in_text("f" * 200_000)


def test_texts_deep_in_a_message_are_made_normal_and_keys_are_not():
    made = normalised([message("display_data", data={"application/json": {"0x7f2774d1e0c0": ["0x7f2774d1e0c0"]}})])
    assert made[0].content["data"] == {"application/json": {"0x7f2774d1e0c0": ["<address>"]}}
    assert replace(made[0]) == made[0]
