"""A run that relies on what one session holds runs in that session or not at all."""

import pytest

from farcell_executor.model import RunState
from farcell_executor.scheduling.actions import Dispatch, EndLog
from farcell_protocol.errors import SessionEnded
from farcell_protocol.ids import SessionId
from tests.unit.executor.scheduling.fleet import Fleet, request


def test_it_is_queued_in_the_session_it_expects(fleet: Fleet):
    fleet.running("r1")
    fleet.submit("r2", expects="s1")
    assert fleet.run("r2").session == "s1"
    assert fleet.ended("r1") == [Dispatch("n", "w1", "r2")]


def test_it_is_refused_when_that_session_has_ended(fleet: Fleet):
    fleet.running("r1")
    fleet.exited("w1")
    (end,) = fleet.submit("r2", expects="s1")
    assert isinstance(end, EndLog)
    assert (end.run, end.outcome, end.reason.code) == ("r2", "refused", "session-ended")
    assert end.reason.fields == {"session": "s1", "instead": None}
    fleet.finish([end])
    assert fleet.run("r2").state is RunState.ENDED
    assert dict(fleet.machine.sessions) == {}, "no session was made for it"


def test_it_is_refused_when_another_session_has_taken_the_place(fleet: Fleet):
    fleet.running("r1")
    fleet.exited("w1")
    fleet.running("r2")
    (end,) = fleet.submit("r3", expects="s1")
    assert end.reason.fields == {"session": "s1", "instead": "s2"}
    assert "session s2 is in its place" in end.reason.message


@pytest.mark.parametrize("more", [{"owner": "bob"}, {"notebook": "other"}, {"session": "named"}, {"once": True}])
def test_it_is_refused_where_it_would_run_in_another_session_anyhow(fleet: Fleet, more: dict):
    fleet.running("r1")
    (end,) = fleet.submit("r2", expects="s1", **more)
    assert (end.outcome, end.reason.code) == ("refused", "session-ended")


def test_whoever_asks_beforehand_is_told_the_same(fleet: Fleet):
    fleet.running("r1")
    fleet.machine.check_request("ada", request("r2", "cpu", expects=SessionId("s1")))
    with pytest.raises(SessionEnded):
        fleet.machine.check_request("ada", request("r2", "cpu", expects=SessionId("s9")))


def test_when_the_session_ends_while_it_is_queued_it_ends_too_and_does_not_move(fleet: Fleet):
    fleet.running("r1")
    fleet.submit("r2", expects="s1")
    (end,) = fleet.exited("w1")
    assert (end.run, end.outcome, end.reason.code) == ("r2", "lost", "session-ended")
