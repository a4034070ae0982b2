"""Which session a request gets, what is refused, and that a request sent twice is one run."""

import math

import pytest

from farcell_executor.model import RunState, SessionState
from farcell_executor.scheduling.actions import Dispatch, EndLog, StartWorker, StopWorker
from farcell_protocol.errors import BadRequest, BadSpec, NoDeviceFits, SessionDiffers, Unavailable
from farcell_protocol.messages.api import Interpreter
from tests.unit.executor.scheduling.fleet import Fleet, devices, request


def test_a_run_is_placed_at_once_when_there_is_room(fleet: Fleet):
    asked = fleet.submit("r1", "cpu", cwd="/home/ada")
    assert asked == [StartWorker("n", "w1", "s1", (), Interpreter("/usr/bin/python3", "3.11.7"), "/home/ada")]
    assert [type(noun).__name__ for noun in fleet.saved] == ["Worker", "Session", "Run"]
    assert fleet.run("r1").state is RunState.STARTING
    assert fleet.run("r1").why == "starting a worker on n"
    assert fleet.session_of("r1").state is SessionState.STARTING


def test_when_its_worker_is_ready_the_run_is_handed_over(fleet: Fleet):
    fleet.submit("r1")
    fleet.now += 1
    assert fleet.ready("w1") == [Dispatch("n", "w1", "r1")]
    assert fleet.run("r1").state is RunState.RUNNING
    assert fleet.run("r1").started == fleet.now
    assert fleet.run("r1").worker == "w1"
    assert fleet.worker("w1").pid == 4711
    assert fleet.session_of("r1").state is SessionState.READY


def test_the_same_request_again_changes_nothing_however_far_the_run_has_come(fleet: Fleet):
    fleet.submit("r1")
    assert fleet.submit("r1") == []
    fleet.ready("w1")
    assert fleet.submit("r1") == []
    fleet.ended("r1")
    assert fleet.submit("r1") == []
    assert fleet.saved == []


def test_the_same_request_changes_nothing_after_a_restart(fleet: Fleet):
    fleet.running("r1")
    fleet.restart()
    fleet.tick()
    assert fleet.submit("r1") == []


def test_runs_of_one_notebook_share_its_default_session(fleet: Fleet):
    fleet.submit("r1", notebook="a.ipynb")
    fleet.submit("r2", notebook="a.ipynb")
    assert fleet.run("r2").session == fleet.run("r1").session
    assert fleet.run("r2").state is RunState.QUEUED
    assert fleet.run("r2").why == "behind 1 run of this session"


@pytest.mark.parametrize(
    "other",
    [
        {"notebook": "b.ipynb"},
        {"python": "3.12.1"},
        {"interpreter": Interpreter("/other/python", "3.11.7")},
        {"gpu": "any"},
        {"owner": "bob"},
        {"session": "big"},
        {"once": True},
    ],
    ids=str,
)
def test_another_notebook_python_gpu_owner_or_name_means_another_session(other):
    fleet = Fleet()
    fleet.join(*devices("n", "T4", 2))
    fleet.submit("r1", notebook="a.ipynb")
    fleet.submit("r2", **({"gpu": "cpu", "notebook": "a.ipynb"} | other))
    assert fleet.run("r2").session != fleet.run("r1").session


def test_gpus_written_in_different_ways_are_the_same_session():
    fleet = Fleet()
    fleet.join(*devices("n", "H100", 2))
    fleet.submit("r1", "h100:2")
    fleet.submit("r2", "H100:2")
    assert fleet.run("r1").session == fleet.run("r2").session


def test_another_patch_release_of_python_is_the_same_session(fleet: Fleet):
    fleet.submit("r1", python="3.11.7")
    fleet.submit("r2", python="3.11.9")
    assert fleet.run("r1").session == fleet.run("r2").session


def test_a_named_session_is_shared_by_the_owners_notebooks(fleet: Fleet):
    fleet.submit("r1", session="big", notebook="a.ipynb")
    fleet.submit("r2", "", session="big", notebook="b.ipynb")
    assert fleet.run("r1").session == fleet.run("r2").session
    assert fleet.session_of("r1").name == "big"


def test_a_named_session_is_not_shared_between_owners(fleet: Fleet):
    fleet.submit("r1", session="big", owner="ada")
    fleet.submit("r2", session="big", owner="bob")
    assert fleet.run("r1").session != fleet.run("r2").session


def test_a_named_session_with_other_hardware_or_python_is_refused(fleet: Fleet):
    fleet.join(*devices("n", "H100", 1))
    fleet.submit("r1", session="big")
    with pytest.raises(SessionDiffers, match="session big has cpu, this asks for H100"):
        fleet.machine.check_request("ada", request("r2", "H100", session="big"))
    with pytest.raises(SessionDiffers, match=r"has Python 3\.11\.7, this kernel has 3\.12\.1"):
        fleet.machine.check_request("ada", request("r2", "cpu", session="big", python="3.12.1"))


def test_a_name_can_be_used_again_with_other_hardware_once_its_session_has_ended(fleet: Fleet):
    fleet.join(*devices("n", "H100", 1))
    fleet.running("r1", session="big")
    fleet.ended("r1")
    fleet.exited("w1")
    fleet.submit("r2", "H100", session="big")
    assert fleet.session_of("r2").gpu == "H100"


def test_a_once_session_is_released_at_the_end_of_its_run(fleet: Fleet):
    worker = fleet.running("r1", once=True)
    (stop,) = fleet.ended("r1")
    assert isinstance(stop, StopWorker)
    assert (stop.worker, stop.reason.code) == (worker, "session-ended")
    assert fleet.session_of("r1").state is SessionState.ENDED
    assert fleet.session_of("r1").why == "released at the end of its run"


def test_a_session_that_ends_with_its_run_cannot_have_a_name(fleet: Fleet):
    with pytest.raises(BadRequest, match="leave out"):
        fleet.machine.check_request("ada", request("r1", "cpu", once=True, session="big"))


@pytest.mark.parametrize("gpu", ["H100 ", "H100:0", "H100:x", "cpu:2", "H100:1,A100:2"])
def test_a_specification_that_cannot_be_read_is_refused(fleet: Fleet, gpu: str):
    with pytest.raises(BadSpec):
        fleet.machine.check_request("ada", request("r1", gpu))


@pytest.mark.parametrize("limit", [0, -1.0, math.nan, math.inf])
def test_a_time_limit_must_be_a_time(fleet: Fleet, limit: float):
    with pytest.raises(BadRequest, match="timeout"):
        fleet.machine.check_request("ada", request("r1", "cpu", timeout_s=limit))


@pytest.mark.parametrize("window", [-1.0, math.nan, math.inf])
def test_a_scaledown_window_must_be_a_time(fleet: Fleet, window: float):
    with pytest.raises(BadRequest, match="scaledown window"):
        fleet.machine.check_request("ada", request("r1", "cpu", scaledown_window_s=window))


def test_before_any_node_has_come_a_request_is_asked_to_wait():
    with pytest.raises(Unavailable, match="no GPU host has connected"):
        Fleet().machine.check_request("ada", request("r1", "cpu"))


def test_a_request_that_became_impossible_after_its_check_ends_as_refused(fleet: Fleet):
    asked = fleet.submit("r1", "H100")
    assert [type(action) for action in asked] == [EndLog]
    assert asked[0].outcome == "refused"
    assert asked[0].reason.code == NoDeviceFits.code
    fleet.finish(asked)
    assert fleet.run("r1").outcome == "refused"
    assert dict(fleet.machine.runs) == {}


def test_a_request_that_makes_no_sense_ends_as_refused_rather_than_raising(fleet: Fleet):
    asked = fleet.submit("r1", "H100 ")
    assert (asked[0].outcome, asked[0].reason.code) == ("refused", "bad-spec")
