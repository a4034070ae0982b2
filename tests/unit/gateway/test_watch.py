"""A run followed to its end: the one status line, output in order, the stop button."""

import bdb
import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any
from unittest.mock import ANY

import pytest
from far_client import ScriptedClient, ScriptedFollower, Step, error, plays, stream, view

from farcell.failures import FarError, FarInterrupt, raise_outcome, readable
from farcell.follow import Batch, Changed, LinkDown, LinkUp
from farcell.status import Line
from farcell.watch import Watch
from farcell_protocol.errors import ErrorInfo, TimedOut, Unauthorized
from farcell_protocol.frames import SHOWN, Elided, End, Heard, Message
from farcell_protocol.ids import RunId, TellId
from farcell_protocol.messages.api import Interpreter, RunRequest
from farcell_protocol.messages.cells import InputReply

REQUEST = RunRequest(RunId("r-1"), b"", Interpreter("python", "3.11.7"), gpu="H100")


class Screen:
    """`answers` are given one by one, None for not yet; without any, nobody can answer here."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.answers: list[str | None] | None = None

    def show(self, message: Message) -> None:
        self.log.append(str(message.content.get("text", message.msg_type)))

    def ask(self, prompt: str, password: bool) -> "Asked | None":
        if self.answers is None:
            return None
        self.log.append(f"{prompt!r} {'hidden' if password else 'shown'}")
        return Asked(self)

    def draw_line(self, line: Line) -> None:
        self.log.append(f"[{line.tone}] {line.text}")


class Asked:
    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def answer(self) -> str | None:
        assert self._screen.answers, "it was not asked for an answer any more"
        return self._screen.answers.pop(0)

    def close(self) -> None:
        self._screen.log.append("closed")


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: float) -> Callable[[], None]:
        def move() -> None:
            self.now += seconds

        return move


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def watched(
    steps: Iterable[Step], clock: Clock | None = None, leaves: Callable[[], bool] | None = None
) -> tuple[Watch, Screen, ScriptedClient]:
    screen, client = Screen(), ScriptedClient()
    follower = ScriptedFollower(REQUEST.run, steps)
    return Watch(follower, client, screen, lambda _: None, clock or Clock(), leaves=leaves), screen, client


def test_a_quick_cell_has_its_line_once_and_above_its_output() -> None:
    watch, screen, _ = watched(plays(stream("a"), stream("b"))(REQUEST))
    watch.to_the_end()
    assert screen.log == ["[quiet] H100 (simulated) · 0.0 s · run r-1", "a", "b"]


def test_a_quick_quiet_cell_has_its_line_at_the_end() -> None:
    watch, screen, _ = watched(plays()(REQUEST))
    watch.to_the_end()
    assert screen.log == ["[quiet] H100 (simulated) · 0.0 s · run r-1"]


def test_a_good_end_is_left_at_its_frame_with_the_time_it_took_by_the_clock_here() -> None:
    clock = Clock()
    steps = [Changed(view(REQUEST, "running")), clock.passes(0.5), Batch(1, [End("ok")]), AssertionError]
    watch, screen, _ = watched(steps, clock)
    seen = watch.to_the_end()
    assert (seen.view.state, seen.view.outcome, seen.view.ended) == ("ended", "ok", 100.5)
    assert screen.log[-1] == "[quiet] H100 (simulated) · 0.5 s · run r-1"


def test_an_end_that_the_executor_may_name_otherwise_is_waited_for() -> None:
    last = view(REQUEST, "ended", outcome="timed-out", reason=ErrorInfo("timed-out", "over its time limit"))
    watch, _screen, _ = watched([Changed(view(REQUEST, "running")), Batch(1, [End("error")]), Changed(last)])
    assert watch.to_the_end().view.outcome == "timed-out"


def test_a_slow_cell_tells_what_it_waits_for_about_once_a_second() -> None:
    clock = Clock()
    queued = view(REQUEST, "queued", worker=None, why="waiting for an H100: 1 in use", place=2)
    steps = [
        Changed(queued),
        clock.passes(0.05),
        clock.passes(0.15),
        *[clock.passes(0.25)] * 5,
        Changed(view(REQUEST, "starting", worker=None)),
        Changed(view(REQUEST)),
        *[clock.passes(0.5)] * 3,
        Batch(1, [stream("a")]),
        Batch(2, [End("ok")]),
        Changed(view(REQUEST, "ended", outcome="ok")),
    ]
    watch, screen, _ = watched(steps, clock)
    watch.to_the_end()
    assert screen.log == [
        "[busy] queued: waiting for an H100: 1 in use, place 2 · 0.2 s",
        "[busy] queued: waiting for an H100: 1 in use, place 2 · 1.2 s",
        "[busy] starting · 0.0 s",
        "[busy] running on H100 (simulated) · 0.0 s",
        "[busy] running on H100 (simulated) · 1.0 s",
        "a",
        "[quiet] H100 (simulated) · 1.5 s · run r-1",
    ]


def test_output_that_comes_before_the_line_was_due_has_it_above() -> None:
    steps = [
        Changed(view(REQUEST)),
        Batch(1, [stream("a")]),
        Batch(2, [End("ok")]),
        Changed(view(REQUEST, "ended", outcome="ok")),
    ]
    watch, screen, _ = watched(steps)
    watch.to_the_end()
    assert screen.log == [
        "[busy] running on H100 (simulated) · 0.0 s",
        "a",
        "[quiet] H100 (simulated) · 0.0 s · run r-1",
    ]


def test_a_lost_link_is_told_with_its_time_and_then_forgotten() -> None:
    clock = Clock()
    steps = [
        Changed(view(REQUEST)),
        clock.passes(0.2),
        LinkDown("connection reset", 0.0),
        clock.passes(3),
        LinkUp(),
        *plays(stream("a"))(REQUEST),
    ]
    watch, screen, _ = watched(steps, clock)
    watch.to_the_end()
    assert screen.log[1:4] == [
        "[bad] link down (connection reset); the run goes on, its output will follow · 0.0 s",
        "[bad] link down (connection reset); the run goes on, its output will follow · 3.0 s",
        "[busy] running on H100 (simulated) · 3.2 s",
    ]


def test_one_press_interrupts_and_the_output_goes_on_until_the_end() -> None:
    steps = [
        Changed(view(REQUEST)),
        press,
        Batch(1, [stream("still"), error("KeyboardInterrupt", ""), End("error")]),
        Changed(view(REQUEST, "ended", outcome="error")),
    ]
    watch, screen, client = watched(steps)
    seen = watch.to_the_end()
    assert client.said == [("interrupt", "r-1")]
    assert "press again to stop the session's worker (variables are lost)" in screen.log[0]
    assert "still" in screen.log
    with pytest.raises(FarInterrupt) as raised:
        raise_outcome(seen)
    assert raised.value._render_traceback_()[0] == "far traceback"


def test_a_second_press_cancels() -> None:
    gone = ErrorInfo("cancelled", "stopped on request")
    steps = [
        Changed(view(REQUEST)),
        press,
        press,
        Batch(1, [End("cancelled", gone)]),
        Changed(view(REQUEST, "ended", outcome="cancelled", reason=gone)),
    ]
    watch, screen, client = watched(steps)
    seen = watch.to_the_end()
    assert client.said == [("interrupt", "r-1"), ("cancel", "r-1")]
    assert screen.log[-1] == "[bad] cancelled: stopped on request · H100 (simulated) · 1.2 s · run r-1"
    with pytest.raises(FarInterrupt, match="stopped on request"):
        raise_outcome(seen)


def test_a_third_press_leaves_the_run_to_itself() -> None:
    watch, screen, _ = watched([Changed(view(REQUEST)), LinkDown("gone", 0.0), press, press, press])
    with pytest.raises(FarInterrupt, match="%gpu attach r-1"):
        watch.to_the_end()
    assert screen.log[-1].startswith("[bad] left behind")


def test_a_kernel_that_is_shut_down_is_interrupted_first_and_leaves_its_run_alone() -> None:
    asked = iter([False, False, True])
    watch, screen, client = watched([Changed(view(REQUEST)), press], leaves=lambda: next(asked))
    with pytest.raises(FarInterrupt, match="%gpu attach r-1"):
        watch.to_the_end()
    assert client.said == []
    assert screen.log[-1].startswith("[bad] left behind")


def test_the_interrupt_handler_is_what_it_was_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT)
    watch, _, _ = watched(plays()(REQUEST))
    watch.to_the_end()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_press_that_arrives_after_a_good_end_still_stops_run_all() -> None:
    steps: list[Step] = [press, *plays()(REQUEST)]
    watch, _, _ = watched(steps)
    with pytest.raises(FarInterrupt):
        raise_outcome(watch.to_the_end())


def test_a_client_that_may_follow_no_more_is_told_how_to_see_the_run_again() -> None:
    watch, screen, _ = watched([Changed(view(REQUEST)), Unauthorized("revoked")])
    with pytest.raises(Unauthorized):
        watch.to_the_end()
    assert screen.log[-1] == "[bad] no longer followed: unauthorized · run r-1 · %gpu attach r-1 shows it again"


def test_a_refused_client_is_told_by_class_and_the_line_does_not_stay_busy() -> None:
    watch, screen, _ = watched([Unauthorized("wrong token")])
    with pytest.raises(Unauthorized):
        watch.to_the_end()
    assert screen.log == ["[bad] refused: unauthorized"]


def test_left_out_output_is_said() -> None:
    watch, screen, _ = watched(plays(Elided(2, 9, 12345))(REQUEST))
    watch.to_the_end()
    assert screen.log[1:] == ["display_data"]


@pytest.mark.parametrize(
    ("outcome", "code", "name"),
    [
        ("lost", "out-of-memory", "OutOfMemory"),
        ("timed-out", "timed-out", "TimedOut"),
        ("refused", "bad-spec", "BadSpec"),
    ],
)
def test_an_end_without_a_word_of_its_own_raises_its_reason(outcome: Any, code: str, name: str) -> None:
    reason = ErrorInfo(code, "why", {"n": 1})
    watch, _, _ = watched(plays(outcome=outcome, reason=reason)(REQUEST))
    with pytest.raises(Exception, match="why") as raised:
        raise_outcome(watch.to_the_end())
    assert (type(raised.value).__name__, raised.value.fields) == (name, {"n": 1})


def test_a_run_stopped_at_its_time_limit_says_so_and_shows_where_it_was() -> None:
    late = ErrorInfo("timed-out", "over its time limit of 1 s", {"timeout_s": 1.0})
    steps: list[Step] = [
        Changed(view(REQUEST, "running")),
        Batch(1, [Message("error", {"ename": "KeyboardInterrupt", "traceback": ["line 2"]}), End("error")]),
        Changed(view(REQUEST, "ended", outcome="timed-out", reason=late)),
    ]
    watch, screen, _ = watched(steps)
    with pytest.raises(TimedOut, match="over its time limit of 1 s") as raised:
        raise_outcome(watch.to_the_end())
    assert readable(raised.value)._render_traceback_() == [  # type: ignore[attr-defined]
        "line 2",
        "TimedOut: over its time limit of 1 s",
        "(timed-out)",
    ]
    assert screen.log[-1].startswith("[bad] timed-out: over its time limit of 1 s")


LINE = "[busy] running on H100 (simulated) · 0.0 s"
DONE = "[quiet] H100 (simulated) · 0.0 s · run r-1"
ENDED = Changed(view(REQUEST, "ended", outcome="ok"))


def asks(prompt: str = "name? ", password: bool = False) -> Message:
    return Message("input_request", {"prompt": prompt, "password": password})


def with_answers(answers: list[str | None] | None, steps: Iterable[Step]) -> tuple[list[str], ScriptedClient]:
    watch, screen, client = watched(steps)
    screen.answers = answers
    with suppress(KeyboardInterrupt):
        watch.to_the_end()
    return screen.log, client


def test_a_question_is_asked_while_output_goes_on_and_the_answer_names_its_frame() -> None:
    heard = Heard([TellId("m-1")])
    steps = [
        Changed(view(REQUEST)),
        Batch(1, [stream("a"), asks("name? ")]),
        Batch(3, [stream("of a thread")]),
        None,
        Batch(4, [heard, asks("pin? ", password=True)]),
        None,
        Batch(6, [heard, End("ok")]),
        ENDED,
    ]
    log, client = with_answers([None, "Ada", "1"], steps)
    assert log == [LINE, "a", "'name? ' shown", "of a thread", "closed", "'pin? ' hidden", "closed", DONE]
    assert client.told == [(REQUEST.run, InputReply(2, "Ada")), (REQUEST.run, InputReply(5, "1"))]


def test_a_question_that_was_answered_before_is_not_asked_again() -> None:
    steps = [
        Changed(view(REQUEST, frames=4)),
        Batch(1, [asks(), stream("of a thread")]),
        Batch(3, [Heard([TellId("m-1")]), stream("b")]),
        Batch(5, [End("ok")]),
        ENDED,
    ]
    assert with_answers([], steps) == ([LINE, "of a thread", "b", DONE], ANY)


def test_a_question_that_is_still_open_is_asked_once_everything_before_was_seen() -> None:
    steps = [
        Changed(view(REQUEST, frames=3)),
        Batch(1, [asks()]),
        Batch(2, [stream("a"), stream("b")]),
        None,
        Batch(4, [Heard([TellId("m-1")]), End("ok")]),
        ENDED,
    ]
    log, client = with_answers(["x"], steps)
    assert log == [LINE, "a", "b", "'name? ' shown", "closed", DONE]
    assert client.told == [(REQUEST.run, InputReply(1, "x"))]


def test_a_question_ends_when_somebody_else_answers_it() -> None:
    steps = [
        Changed(view(REQUEST)),
        Batch(1, [asks()]),
        None,
        Batch(2, [Heard([TellId("m-1")]), stream("a")]),
        None,
        Batch(4, [End("ok")]),
        ENDED,
    ]
    log, client = with_answers([None, None], steps)
    assert log == [LINE, "'name? ' shown", "closed", "a", DONE]
    assert client.told == []


def test_the_stop_button_ends_the_question_and_interrupts_the_run() -> None:
    steps = [
        Changed(view(REQUEST)),
        Batch(1, [asks()]),
        press,
        None,
        Batch(2, [error("KeyboardInterrupt", ""), End("error")]),
        Changed(view(REQUEST, "ended", outcome="error")),
    ]
    log, client = with_answers([], steps)
    assert log[1:3] == ["'name? ' shown", "closed"]
    assert (client.said, client.told) == ([("interrupt", REQUEST.run)], [])


def test_where_nobody_can_answer_it_says_what_to_do_and_once() -> None:
    steps = [Changed(view(REQUEST)), Batch(1, [asks()]), None, None, Batch(2, [End("ok")]), ENDED]
    log, _ = with_answers(None, steps)
    assert log == [LINE, "run r-1 waits for input; press stop, or attach from a notebook that can answer\n", DONE]


def errors_and_words(screen: Screen) -> list[str]:
    return [line for line in screen.log if not line.startswith("[")]


def test_an_error_that_something_follows_is_shown_where_it_stood_and_not_again() -> None:
    steps = plays(error("ZeroDivisionError"), stream("after"), outcome="error")(REQUEST)
    watch, screen, _ = watched(steps)
    seen = watch.to_the_end()
    assert errors_and_words(screen) == ["error", "after"]
    with pytest.raises(bdb.BdbQuit) as raised:  # which IPython takes as a failure that it need not show
        raise_outcome(seen)
    assert type(raised.value).__name__ == "ZeroDivisionError"


def test_an_error_of_a_cell_that_went_well_is_shown() -> None:
    watch, screen, _ = watched(plays(error("ZeroDivisionError"))(REQUEST))
    raise_outcome(watch.to_the_end())
    assert errors_and_words(screen) == ["error"]


def test_the_error_a_cell_ends_with_is_left_to_the_shell_to_show() -> None:
    watch, screen, _ = watched(plays(error("KeyError"), outcome="error")(REQUEST))
    seen = watch.to_the_end()
    assert errors_and_words(screen) == []
    with pytest.raises(FarError) as raised:
        raise_outcome(seen)
    assert not isinstance(raised.value, bdb.BdbQuit)


def test_an_error_whose_text_came_as_output_fails_the_cell_and_shows_nothing_more() -> None:
    printed = Message("error", {"ename": "UsageError", "evalue": "no", "traceback": []}, {SHOWN: True})
    watch, screen, _ = watched(plays(stream("UsageError: no"), printed, outcome="error")(REQUEST))
    seen = watch.to_the_end()
    assert errors_and_words(screen) == ["UsageError: no"]
    with pytest.raises(bdb.BdbQuit):
        raise_outcome(seen)


def test_the_line_is_above_a_widget_that_may_catch_what_is_shown_after_it() -> None:
    opens = Message("comm_open", {"comm_id": "a", "target_name": "jupyter.widget", "data": {}})
    steps = [Changed(view(REQUEST)), Batch(1, [opens]), Batch(2, [stream("a")]), Batch(3, [End("ok")]), ENDED]
    watch, screen, _ = watched(steps)
    watch.to_the_end()
    assert screen.log == [LINE, "comm_open", "a", DONE]
