"""A session's comms: a run beside its cells that occupies nobody and ends with the session."""

import pytest

from farcell_executor.model import RunState, SessionState
from farcell_executor.scheduling import events
from farcell_executor.scheduling.actions import Dispatch, Interrupt, StopWorker
from farcell_protocol.errors import BadRequest, SessionEnded
from farcell_protocol.ids import SessionId, comms_run_of
from farcell_protocol.messages.keeping import RunReport
from tests.unit.executor.scheduling.fleet import Fleet, report, request


def comms_of(fleet: Fleet, cell: str) -> str:
    return comms_run_of(fleet.run(cell).session)


def open_comms(fleet: Fleet, cell: str = "r1", owner: str = "ada"):
    return fleet.submit(comms_of(fleet, cell), owner=owner, kind="comms", expects=fleet.run(cell).session)


def test_comms_are_handed_over_at_once_beside_a_running_cell(fleet: Fleet):
    worker = fleet.running("r1")
    assert open_comms(fleet) == [Dispatch("n", worker, comms_of(fleet, "r1"))]
    assert fleet.run(comms_of(fleet, "r1")).state is RunState.RUNNING
    assert fleet.run("r1").state is RunState.RUNNING


def test_comms_keep_no_cell_waiting_and_no_session_alive(fleet: Fleet):
    worker = fleet.running("r1")
    open_comms(fleet)
    fleet.submit("r2")
    assert fleet.machine.place("r2") == 1
    assert fleet.ended("r1") == [Dispatch("n", worker, "r2")]
    fleet.ended("r2")
    assert fleet.session_of("r1").idle_since == fleet.now
    assert [type(action) for action in fleet.tick(300)] == [StopWorker]
    fleet.ended(comms_of(fleet, "r1"), "lost", SessionEnded("released").info())
    assert fleet.run(comms_of(fleet, "r1")).state is RunState.ENDED


def test_asking_for_comms_again_changes_nothing(fleet: Fleet):
    fleet.running("r1")
    open_comms(fleet)
    assert open_comms(fleet) == []


@pytest.mark.parametrize(("owner", "session"), [("eve", "s1"), ("ada", "s9"), ("ada", None)])
def test_only_the_owner_of_a_ready_session_has_comms_with_it(fleet: Fleet, owner: str, session: str | None):
    fleet.running("r1")
    asked = request(comms_run_of(SessionId("s-1")), kind="comms", expects=session)
    with pytest.raises(SessionEnded):
        fleet.machine.check_request(owner, asked)


def test_comms_have_the_one_id_that_follows_from_their_session(fleet: Fleet):
    fleet.running("r1")
    with pytest.raises(BadRequest):
        fleet.machine.check_request("ada", request("r-other", kind="comms", expects=fleet.run("r1").session))


def test_comms_refused_after_the_check_end_as_refused(fleet: Fleet):
    asked = fleet.submit("r-c", kind="comms", expects=SessionId("s-gone"))
    fleet.finish(asked)
    assert fleet.run("r-c").outcome == "refused"


def test_the_stop_button_ends_no_comms(fleet: Fleet):
    fleet.running("r1")
    open_comms(fleet)
    assert fleet.interrupt(comms_of(fleet, "r1")) == []
    assert fleet.cancel(comms_of(fleet, "r1"), grace_s=0) == []
    assert [type(action) for action in fleet.interrupt("r1")] == [Interrupt]


def test_moving_a_widget_counts_as_use_of_the_session(fleet: Fleet):
    fleet.running("r1")
    fleet.ended("r1")
    session = fleet.run("r1").session
    fleet.now += 200
    assert fleet.handle(events.SessionUsed(session)) == []
    assert fleet.machine.next_deadline() == fleet.now + 300
    fleet.now += 1
    fleet.handle(events.SessionUsed(session))
    assert fleet.saved == [], "not every movement is stored"


def test_comms_are_adopted_after_a_restart_of_the_executor(fleet: Fleet):
    worker = fleet.running("r1")
    open_comms(fleet)
    comms = comms_of(fleet, "r1")
    fleet.restart()
    asked = fleet.join(workers=(report(worker),), runs=(RunReport("r1", worker, 3, 0, False),))
    assert Dispatch("n", worker, comms) in asked
    fleet.ended("r1")
    assert fleet.session_of("r1").state is SessionState.READY


def test_a_worker_that_dies_takes_its_comms_with_it(fleet: Fleet):
    worker = fleet.running("r1")
    open_comms(fleet)
    fleet.exited(worker)
    fleet.ended("r1", "lost")
    fleet.ended(comms_of(fleet, "r1"), "lost")
    assert not fleet.machine.runs
    assert worker not in fleet.machine.workers
