"""The stop button where the executor does not answer: it never waits, and the third press ends the cell."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest
from far_client import ScriptedClient, ScriptedFollower, view

from farcell import stopping
from farcell.failures import FarInterrupt
from farcell.follow import Changed
from farcell.watch import Watch
from farcell_protocol.ids import RunId
from tests.unit.gateway.test_watch import REQUEST, Clock, Screen


class _Hanging(ScriptedClient):
    """An executor that takes a connection and never answers, until `let_go`."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def interrupt(self, run: RunId) -> None:
        self.let_go.wait(10)
        super().interrupt(run)

    def cancel(self, run: RunId, grace_s: float = 2.0) -> None:
        self.let_go.wait(10)
        super().cancel(run)


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Hanging]:
    monkeypatch.setattr(stopping, "SOON_S", 0.01)
    client = _Hanging()
    yield client
    client.let_go.set()


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_three_presses_end_the_cell_though_none_of_them_is_answered(hanging: _Hanging) -> None:
    screen = Screen()
    follower = ScriptedFollower(REQUEST.run, [Changed(view(REQUEST)), press, press, press])
    with pytest.raises(FarInterrupt, match="was left to itself"):
        Watch(follower, hanging, screen, lambda _: None, Clock()).to_the_end()
    assert (hanging.said, follower.closed) == ([], True)
    assert screen.log[0].endswith("(variables are lost) — no answer yet")


def test_a_second_press_does_not_wait_for_the_first_to_be_answered(hanging: _Hanging) -> None:
    said = stopping.Stopping(hanging, REQUEST.run)
    said.say(1)
    said.say(2)
    assert said.trouble == " — no answer yet"
    hanging.let_go.set()
    for thread in threading.enumerate():
        if thread.name == "farcell stop":
            thread.join(10)
    assert (said.trouble, sorted(what for what, _ in hanging.said)) == ("", ["cancel", "interrupt"])
