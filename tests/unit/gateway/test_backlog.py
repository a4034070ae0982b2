"""After a press, output that has been waiting for its turn gives way to the end of the cell."""

from collections.abc import Callable

import pytest
from far_client import ScriptedClient, ScriptedFollower, Step, error, stream, view

from farcell.backlog import PATIENCE_S, Backlog
from farcell.follow import Batch, Changed, LinkDown, LinkUp
from farcell.watch import Watch
from farcell_protocol.errors import Unavailable
from farcell_protocol.frames import End, Message
from farcell_protocol.ids import RunId
from tests.unit.gateway.test_watch import REQUEST, Clock, Screen, press

DISPLAY = Message("display_data", {"data": {"text/plain": "x"}, "metadata": {}})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def backlog(clock: Clock) -> Backlog:
    return Backlog(clock)


def test_nothing_is_left_out_before_a_press(backlog: Backlog, clock: Clock) -> None:
    clock.passes(3600)()
    assert not backlog.leaves_out(stream("x"))
    assert backlog.note("r-1") is None


def test_what_still_waits_a_while_after_the_press_is_counted(backlog: Backlog, clock: Clock) -> None:
    backlog.pressed()
    assert not backlog.leaves_out(stream("x"))
    clock.passes(PATIENCE_S)()
    assert [backlog.leaves_out(message) for message in (stream("x" * 1000), stream("y" * 234), DISPLAY)] == [True] * 3
    note = backlog.note("r-1")
    assert note is not None
    assert note.content["text"] == (
        "\n[1,234 characters and 1 displays more, made before the stop took effect: farcell logs r-1]\n"
    )


def test_code_that_goes_on_after_the_press_is_heard(backlog: Backlog, clock: Clock) -> None:
    backlog.pressed()
    clock.passes(3600)()
    backlog.waited(0.1)
    assert not backlog.leaves_out(stream("caught it"))


def test_a_slow_screen_is_spared_what_came_before_the_press_but_the_error_is_kept(clock: Clock) -> None:
    frames = [stream("first"), stream("x" * 100), stream("y"), error("KeyboardInterrupt", ""), End("error")]
    ended = Changed(view(REQUEST, "ended", outcome="error"))
    follower = ScriptedFollower(REQUEST.run, [Changed(view(REQUEST)), press, Batch(1, frames), ended])
    screen = _SlowScreen(clock)
    seen = Watch(follower, ScriptedClient(), screen, lambda _: None, clock).to_the_end()
    assert seen.error is not None
    assert [line for line in screen.log if not line.startswith("[")] == [
        "first",
        "\n[101 characters more, made before the stop took effect: farcell logs r-1]\n",
    ]


class _SlowScreen(Screen):
    """A screen on which showing something takes a second."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def show(self, message: Message) -> None:
        self._clock.passes(1)()
        super().show(message)


class _Unreachable(ScriptedClient):
    """A client that cannot say anything while `down`."""

    down = True

    def interrupt(self, run: RunId) -> None:
        if self.down:
            raise Unavailable("nobody listens there")
        super().interrupt(run)


def test_a_press_that_could_not_be_said_is_said_when_the_link_is_back() -> None:
    client = _Unreachable()
    back: Callable[[], None] = lambda: setattr(client, "down", False)  # noqa: E731
    steps: list[Step] = [Changed(view(REQUEST)), LinkDown("gone", 0.0), press, back, LinkUp()]
    end = [Batch(1, [End("error")]), Changed(view(REQUEST, "ended", outcome="error"))]
    follower = ScriptedFollower(REQUEST.run, [*steps, *end])
    Watch(follower, client, Screen(), lambda _: None, Clock()).to_the_end()
    assert client.said == [("interrupt", "r-1")]
