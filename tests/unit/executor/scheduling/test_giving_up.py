"""A node that nobody can reach for longer than the grace is given up, and whoever waited for it is told."""

from farcell_executor.model import NodeState, RunState, SessionState
from farcell_executor.scheduling import events
from farcell_executor.scheduling.actions import StartWorker, StopWorker
from farcell_protocol.ids import NodeId
from tests.unit.executor.scheduling.fleet import GRACE_S, Fleet, devices, report, run_report


def unreachable(*, after: float = 0.0) -> Fleet:
    """A fleet whose only H100 runs r1, and cannot be reached since `after` seconds."""
    fleet = Fleet()
    fleet.join(*devices("n", "H100", 1))
    fleet.running("r1", "H100")
    fleet.handle_disconnect()
    fleet.tick(after)
    return fleet


def test_until_the_grace_is_over_nothing_is_given_up():
    fleet = unreachable(after=GRACE_S - 1)
    assert fleet.run("r1").state is RunState.RUNNING
    assert fleet.machine.next_deadline() == fleet.now + 1


def test_after_the_grace_its_runs_are_lost_with_the_reason_and_its_devices_free():
    fleet = unreachable()
    fleet.submit("r2", "H100")
    ends = fleet.tick(GRACE_S)
    assert [(end.run, end.outcome, end.reason.code) for end in ends] == [
        ("r1", "lost", "node-lost"),
        ("r2", "lost", "session-ended"),
    ]
    assert ends[0].reason.fields == {"node": "n", "unreachable_s": 600.0, "grace_s": 600.0}
    assert "n could not be reached for 600 s" in ends[0].reason.message
    fleet.finish(ends)
    assert fleet.run("r1").state is RunState.ENDED
    assert dict(fleet.machine.nodes) == dict(fleet.machine.workers) == dict(fleet.machine.sessions) == {}
    assert fleet.store["n"].state is NodeState.GONE
    assert fleet.machine.next_deadline() is None


def test_what_waits_for_devices_goes_elsewhere():
    fleet = unreachable()
    fleet.submit("r2", "H100", session="another")
    assert fleet.session_of("r2").state is SessionState.WAITING
    fleet.finish(fleet.tick(GRACE_S))
    assert fleet.run("r2").why.startswith("waiting for an H100: no node has that now")
    (start,) = fleet.join(*devices("m", "H100", 1), name="m", embedded=False)
    assert isinstance(start, StartWorker)
    assert (start.node, start.session) == ("m", fleet.run("r2").session)


def test_a_node_that_is_back_in_time_has_a_new_grace_the_next_time():
    fleet = unreachable(after=GRACE_S - 1)
    fleet.join(*devices("n", "H100", 1), workers=(report("w1"),), runs=(run_report("r1", "w1"),))
    assert fleet.tick(10 * GRACE_S) == []
    fleet.handle_disconnect()
    assert fleet.tick(GRACE_S - 1) == []
    assert len(fleet.tick(1)) == 1


def test_the_time_in_which_no_executor_listened_does_not_count():
    fleet = unreachable(after=10)
    fleet.restart()
    fleet.now += 10 * GRACE_S  # nobody was there
    assert fleet.tick() == []
    assert fleet.machine.next_deadline() == fleet.now + GRACE_S
    assert fleet.tick(GRACE_S - 1) == []
    (end,) = fleet.tick(1)
    assert (end.run, end.reason.code, end.reason.fields["unreachable_s"]) == ("r1", "node-lost", 600.0)


def test_a_worker_that_was_being_stopped_there_holds_nothing_any_more():
    fleet = Fleet()
    fleet.join(*devices("n", "H100", 1))
    fleet.running("r1", "H100", scaledown_window_s=5.0)
    fleet.ended("r1")
    fleet.handle_disconnect()
    fleet.tick(5.0)
    assert fleet.session_of("r1").state is SessionState.ENDED
    assert fleet.machine.devices()[0][1] is not None
    fleet.tick(GRACE_S)
    assert dict(fleet.machine.workers) == {}
    assert fleet.machine.devices() == []


def test_a_node_that_an_admin_removes_is_not_waited_for():
    fleet = unreachable(after=1.0)
    (end,) = fleet.handle(events.NodeGivenUp(NodeId("n")))
    assert (end.run, end.outcome, end.reason.code) == ("r1", "lost", "node-lost")
    assert end.reason.message == "an admin removed n: run it again, on another host"
    fleet.finish([end])
    assert dict(fleet.machine.nodes) == dict(fleet.machine.workers) == dict(fleet.machine.sessions) == {}


def test_what_runs_on_a_connected_node_that_is_removed_is_stopped():
    fleet = Fleet()
    fleet.join(*devices("n", "H100", 2))
    fleet.running("r1", "H100")
    fleet.submit("r2", "H100", session="another")  # its worker is being started
    stops = [one for one in fleet.handle(events.NodeGivenUp(NodeId("n"))) if isinstance(one, StopWorker)]
    assert [(stop.node, stop.worker) for stop in stops] == [("n", "w1"), ("n", "w2")]
    assert fleet.run("r1").reason.code == fleet.run("r2").reason.fields.get("cause", "node-lost") == "node-lost"
    assert dict(fleet.machine.nodes) == {}


def test_a_node_that_was_removed_comes_back_as_a_new_one_without_what_it_had():
    fleet = unreachable()
    fleet.finish(fleet.handle(events.NodeGivenUp(NodeId("n"))))
    stop, _ = fleet.join(*devices("n", "H100", 1), workers=(report("w1", held=("H100-0",)),))
    assert isinstance(stop, StopWorker)
    fleet.submit("r2", "H100")
    assert fleet.session_of("r2").state is SessionState.WAITING, "its device is not handed out before it is gone"
