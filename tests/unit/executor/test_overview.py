"""What `farcell status` shows."""

import time
from typing import Any

import pytest

from farcell_executor import overview
from farcell_executor.calls import Caller
from farcell_protocol.ids import SessionId
from farcell_protocol.messages.api import ExecutorView, NodeView, RunView, SessionView

NOON = time.mktime((2026, 5, 4, 12, 0, 0, 0, 0, -1))


class Answers(Caller):
    """An executor with one idle session, released at `expires`."""

    expires: float = NOON

    def ask(self, method: str, path: str, kind: Any, body: object = None) -> Any:
        idle = SessionView(SessionId("s-1"), "", "n.ipynb", "H100", "ready", NOON - 60, expires=self.expires)
        answers: dict[Any, Any] = {
            ExecutorView: ExecutorView("1", 1, 1, NOON - 3600),
            list[NodeView]: [],
            list[SessionView]: [idle],
            list[RunView]: [],
        }
        return answers[kind]


def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, now: float, expires: float) -> str:
    caller = Answers("unix:///nowhere", "token")
    object.__setattr__(caller, "expires", expires)
    real = time.localtime
    monkeypatch.setattr(overview.time, "localtime", lambda at=None: real(now if at is None else at))
    monkeypatch.setenv("COLUMNS", "200")
    overview.show(caller)
    return capsys.readouterr().out


def test_a_session_says_at_what_time_of_day_it_is_released_and_says_the_same_a_second_later(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    first = shown(capsys, monkeypatch, NOON, NOON + 150)
    assert "at 12:02:30" in first
    assert shown(capsys, monkeypatch, NOON + 1, NOON + 150) == first


def test_a_release_on_another_day_has_its_date(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    assert "at 2026-05-06 12:00:00" in shown(capsys, monkeypatch, NOON, NOON + 2 * 86400)
