"""Nodes that go away and come back, keepers that die, executors that restart: nothing is lost, nothing runs twice."""

from dataclasses import replace

from farcell_executor.model import NodeState, Run, RunState, SessionState, WorkerState
from farcell_executor.scheduling import events
from farcell_executor.scheduling.actions import Dispatch, EndLog, ForgetWorker, Resume, StartWorker, StopWorker
from farcell_protocol.ids import RunId
from tests.unit.executor.scheduling.fleet import Fleet, devices, report, run_report


def kinds(actions) -> list[str]:
    return [type(action).__name__ for action in actions]


# ---- the link breaks ---------------------------------------------------------------------------------


def test_a_broken_link_changes_nothing_but_what_people_are_told(fleet: Fleet):
    fleet.running("r1")
    fleet.submit("r2")
    assert fleet.handle_disconnect() == []
    assert fleet.machine.nodes["n"].state is NodeState.UNKNOWN
    assert fleet.run("r1").state is RunState.RUNNING
    assert fleet.run("r1").why == "the link to n is down since 00:16:40 UTC"
    assert fleet.run("r2").why == "behind 1 run of this session"


def test_when_the_link_is_back_the_runs_are_resumed_and_say_nothing_more(fleet: Fleet):
    fleet.running("r1")
    fleet.handle_disconnect()
    asked = fleet.join(workers=(report("w1"),), runs=(run_report("r1", "w1"),))
    assert asked == [Resume("n", "r1")]
    assert fleet.run("r1").why == ""


def test_nothing_is_handed_over_while_the_link_is_down(fleet: Fleet):
    fleet.running("r1")
    fleet.handle_disconnect()
    fleet.submit("r2")
    assert fleet.ended("r1") == []
    assert fleet.run("r2").state is RunState.QUEUED
    assert fleet.run("r2").why.startswith("the link to n is down")
    assert fleet.machine.place("r2") == 1
    assert fleet.join(workers=(report("w1"),)) == [Dispatch("n", "w1", "r2")]


def test_a_worker_that_became_ready_meanwhile_is_put_to_work(fleet: Fleet):
    fleet.submit("r1")
    fleet.handle_disconnect()
    assert fleet.join(workers=(report("w1"),)) == [Dispatch("n", "w1", "r1")]


def test_a_start_that_never_arrived_is_asked_for_again_with_the_same_id(fleet: Fleet):
    fleet.submit("r1")
    fleet.handle_disconnect()
    (start,) = fleet.join()
    assert isinstance(start, StartWorker)
    assert start.worker == "w1"


def test_a_worker_that_is_still_starting_is_left_to_it(fleet: Fleet):
    fleet.submit("r1")
    fleet.handle_disconnect()
    assert fleet.join(workers=(report("w1", "starting"),)) == []


def test_a_run_that_never_arrived_is_handed_over_again(fleet: Fleet):
    fleet.running("r1")
    fleet.handle_disconnect()
    assert fleet.join(workers=(report("w1"),)) == [Dispatch("n", "w1", "r1")]


def test_a_worker_that_exited_meanwhile_still_gives_its_last_frames(fleet: Fleet):
    fleet.running("r1")
    fleet.handle_disconnect()
    asked = fleet.join(workers=(report("w1", "exited"),), runs=(run_report("r1", "w1", ended=True),))
    assert asked == [Resume("n", "r1")]
    assert fleet.session_of("r1").state is SessionState.ENDED
    assert fleet.ended("r1", "lost") == [ForgetWorker("n", "w1")]


def test_a_run_that_exited_worker_never_had_is_lost(fleet: Fleet):
    fleet.running("r1")
    fleet.handle_disconnect()
    asked = fleet.join(workers=(report("w1", "exited"),))
    assert [(end.run, end.outcome) for end in asked] == [("r1", "lost")]


def test_a_ready_worker_the_same_keeper_knows_nothing_of_is_gone_with_its_runs(fleet: Fleet):
    fleet.running("r1")
    fleet.submit("r2")
    fleet.handle_disconnect()
    asked = fleet.join()
    assert [(end.run, end.outcome) for end in asked] == [("r2", "lost"), ("r1", "lost")]
    assert fleet.finish(asked) == [ForgetWorker("n", "w1")]


def test_an_interrupt_that_cannot_be_said_now_is_said_once_when_the_node_is_back(fleet: Fleet):
    fleet.running("r1")
    fleet.handle_disconnect()
    assert fleet.interrupt("r1") == fleet.interrupt("r1") == []
    there = {"workers": (report("w1"),), "runs": (run_report("r1", "w1"),)}
    assert kinds(fleet.join(**there)) == ["Resume", "Interrupt"]
    assert kinds(fleet.join(**there)) == ["Resume"]


def test_an_interrupt_after_a_restart_waits_for_the_node(fleet: Fleet):
    fleet.running("r1")
    fleet.restart()
    assert "Interrupt" not in kinds(fleet.interrupt("r1"))
    assert kinds(fleet.join(workers=(report("w1"),))) == ["Dispatch", "Interrupt"]


def test_a_stop_that_may_not_have_arrived_is_asked_for_again(fleet: Fleet):
    fleet.running("r1")
    fleet.handle_disconnect()
    fleet.cancel("r1", grace_s=0)
    asked = fleet.join(workers=(report("w1"),), runs=(run_report("r1", "w1"),))
    assert kinds(asked) == ["StopWorker", "Resume"]


def test_a_stopping_worker_the_keeper_does_not_know_is_gone_when_the_node_says_so():
    fleet = Fleet()
    gpu = devices("n", "H100", 1)
    fleet.join(*gpu)
    fleet.submit("r1", "H100")
    fleet.handle_disconnect()
    fleet.finish(fleet.cancel("r1"))
    assert kinds(fleet.join(*gpu)) == ["StopWorker"], "over a link that stands, its start may be on its way"
    fleet.submit("r2", "H100")
    assert fleet.session_of("r2").state is SessionState.WAITING
    assert kinds(fleet.exited("w1")) == ["ForgetWorker", "StartWorker"]
    assert fleet.worker("w1").state is WorkerState.GONE


def test_a_worker_nobody_knows_is_stopped_and_its_devices_wait_for_its_end():
    fleet = Fleet()
    strange = report("w-strange", held=("H100-0",))
    asked = fleet.join(*devices("n", "H100", 1), workers=(strange,))
    assert kinds(asked) == ["StopWorker", "ForgetWorker"]
    fleet.submit("r1", "H100")
    assert fleet.session_of("r1").state is SessionState.WAITING
    asked = fleet.handle(events.WorkerChanged(report("w-strange", "exited"), "n"))
    assert kinds(asked) == ["ForgetWorker", "StartWorker"]


def test_devices_of_a_stranger_are_free_when_the_node_comes_back_without_it():
    fleet = Fleet()
    fleet.join(*devices("n", "H100", 1), workers=(report("w-strange", held=("H100-0",)),))
    fleet.submit("r1", "H100")
    assert kinds(fleet.join(*devices("n", "H100", 1))) == ["StartWorker"]


# ---- the keeper or the node dies ---------------------------------------------------------------------


def test_another_keeper_in_its_place_means_that_the_workers_of_the_first_are_gone(fleet: Fleet):
    fleet.running("r1")
    fleet.submit("r2")
    asked = fleet.handle(events.KeeperChanged("n", "another"))
    ends = {end.run: end for end in asked if isinstance(end, EndLog)}
    assert (ends["r1"].outcome, ends["r1"].reason.code) == ("lost", "keeper-lost")
    assert (ends["r2"].outcome, ends["r2"].reason.code) == ("lost", "session-ended")
    fleet.finish(asked)
    assert fleet.machine.nodes["n"].keeper == "another"
    assert kinds(fleet.submit("r3")) == ["StartWorker"]


def test_a_run_whose_worker_was_starting_is_lost_with_the_keeper(fleet: Fleet):
    fleet.submit("r1")
    end = fleet.handle(events.KeeperChanged("n", "another"))[1]
    assert (end.run, end.outcome, end.reason.code) == ("r1", "lost", "keeper-lost")


def test_a_worker_whose_start_may_cross_the_loss_of_its_keeper_is_stopped_before_its_device_is_given_away():
    fleet = Fleet()
    fleet.join(*devices("n", "H100", 1))
    fleet.submit("r1", "H100")
    asked = fleet.handle(events.KeeperChanged("n", "another"))
    # Forgotten first, the node would say that it never had such a worker.
    assert kinds(asked) == ["StopWorker", "EndLog", "ForgetWorker"]
    fleet.finish(asked)
    fleet.submit("r2", "H100")
    assert fleet.session_of("r2").state is SessionState.WAITING
    assert kinds(fleet.exited("w1")) == ["ForgetWorker", "StartWorker"]


def test_such_a_worker_that_shows_up_all_the_same_is_stopped(fleet: Fleet):
    fleet.submit("r1")
    fleet.finish(fleet.handle(events.KeeperChanged("n", "another")))
    assert kinds(fleet.handle(events.WorkerChanged(report("w1"), "n"))) == ["StopWorker", "ForgetWorker"]
    assert kinds(fleet.exited("w1")) == ["ForgetWorker"]


def test_a_stranger_is_stopped_though_its_device_was_given_away():
    fleet = Fleet()
    fleet.join(*devices("n", "H100", 1))
    assert kinds(fleet.submit("r2", "H100")) == ["StartWorker"]
    assert kinds(fleet.handle(events.WorkerChanged(report("w9", held=("H100-0",)), "n"))) == [
        "StopWorker",
        "ForgetWorker",
    ]
    assert fleet.session_of("r2").state is SessionState.STARTING


def test_the_same_keeper_again_is_no_news(fleet: Fleet):
    fleet.running("r1")
    assert fleet.handle(events.KeeperChanged("n", "keeper")) == []


def test_a_node_that_comes_back_with_another_keeper_has_lost_its_workers(fleet: Fleet):
    fleet.running("r1")
    asked = fleet.join(keeper="another")
    assert [(end.run, end.reason.code) for end in asked] == [("r1", "keeper-lost")]
    fleet.finish(asked)
    assert fleet.machine.nodes["n"].state is NodeState.CONNECTED


def test_a_node_that_was_restarted_has_lost_its_workers(fleet: Fleet):
    fleet.running("r1")
    asked = fleet.join(boot="another", keeper="another")
    assert [(end.run, end.reason.code) for end in asked] == [("r1", "node-lost")]


def test_a_node_that_is_given_up_is_out_of_the_fleet_with_everything_on_it():
    fleet = Fleet()
    fleet.join(*devices("n", "H100", 1))
    fleet.running("r1", "H100")
    fleet.handle_disconnect()
    asked = fleet.handle(events.NodeGivenUp("n"))
    assert [(end.run, end.reason.code) for end in asked] == [("r1", "node-lost")]
    fleet.finish(asked)
    assert dict(fleet.machine.nodes) == dict(fleet.machine.workers) == {}
    assert fleet.store["n"].state is NodeState.GONE
    assert fleet.machine.devices() == []


def test_a_given_up_node_that_comes_back_has_its_old_workers_stopped(fleet: Fleet):
    fleet.running("r1")
    fleet.finish(fleet.handle(events.NodeGivenUp("n")))
    assert kinds(fleet.join(workers=(report("w1"),))) == ["StopWorker", "ForgetWorker"]


def test_a_run_that_was_being_cancelled_when_the_node_was_lost_is_cancelled(fleet: Fleet):
    fleet.running("r1")
    fleet.cancel("r1")
    fleet.handle_disconnect()
    (end,) = fleet.handle(events.NodeGivenUp("n"))
    assert end.outcome == "cancelled"


def test_frames_of_a_run_arriving_from_elsewhere_do_not_touch_this_nodes_workers(fleet: Fleet):
    fleet.running("r1")
    asked = fleet.join(name="other", embedded=False, workers=(report("w1"),))
    assert asked == [
        StopWorker("other", "w1", 0.0, asked[0].reason),
        ForgetWorker("other", "w1"),
    ]
    fleet.handle(events.WorkerChanged(report("w1", "exited"), "other"))
    assert fleet.worker("w1").state is WorkerState.READY


# ---- the executor restarts ---------------------------------------------------------------------------


def test_after_a_restart_nodes_are_unknown_and_runs_run_on(fleet: Fleet):
    fleet.running("r1")
    fleet.restart()
    assert fleet.tick() == []
    assert fleet.machine.nodes["n"].state is NodeState.UNKNOWN
    assert fleet.machine.runs["r1"].state is RunState.RUNNING
    assert fleet.join(workers=(report("w1"),), runs=(run_report("r1", "w1"),)) == [Resume("n", "r1")]


def test_after_a_restart_claims_are_as_before():
    fleet = Fleet()
    fleet.join(*devices("n", "H100", 1))
    fleet.running("r1", "H100")
    fleet.restart()
    fleet.join(*devices("n", "H100", 1), workers=(report("w1"),), runs=(run_report("r1", "w1"),))
    fleet.submit("r2", "H100", notebook="other")
    assert fleet.session_of("r2").state is SessionState.WAITING


def test_after_a_restart_what_waited_is_placed_when_the_node_is_there(fleet: Fleet):
    fleet.handle_disconnect()
    fleet.submit("r1")
    fleet.restart()
    assert fleet.tick() == []
    assert kinds(fleet.join()) == ["StartWorker"]


def test_an_end_that_was_decided_before_a_restart_is_asked_for_again(fleet: Fleet):
    fleet.running("r1")
    fleet.submit("r2")
    (end,) = fleet.cancel("r2")
    fleet.restart()
    assert fleet.machine.next_deadline() == 0
    assert fleet.tick() == [end]
    assert fleet.tick() == []
    fleet.finish([end])
    assert fleet.run("r2").outcome == "cancelled"


def test_a_stop_goes_on_after_a_restart_where_it_was(fleet: Fleet):
    fleet.running("r1")
    fleet.cancel("r1", grace_s=10)
    fleet.restart()
    fleet.join(workers=(report("w1"),), runs=(run_report("r1", "w1"),))
    assert fleet.machine.next_deadline() == fleet.now + 10
    assert kinds(fleet.tick(10)) == ["StopWorker"]


def test_a_time_limit_survives_a_restart(fleet: Fleet):
    fleet.running("r1", timeout_s=100)
    fleet.restart()
    fleet.join(workers=(report("w1"),), runs=(run_report("r1", "w1"),))
    assert kinds(fleet.tick(100)) == ["Interrupt"]


def test_an_end_that_is_in_the_log_already_is_taken_before_anything_is_handed_over_again(fleet: Fleet):
    fleet.running("r1")
    fleet.restart()
    fleet.ended("r1")
    assert fleet.join(workers=(report("w1"),)) == []


def test_ended_runs_given_to_a_restarted_machine_are_remembered(fleet: Fleet):
    fleet.running("r1")
    fleet.ended("r1")
    ended = fleet.run("r1")
    fleet.restart()
    fleet.machine.restore([ended], [], [], [])
    assert fleet.submit("r1") == []


def test_a_run_whose_worker_is_not_in_the_store_is_lost_when_nobody_knows_of_it(fleet: Fleet):
    fleet.running("r1")
    fleet.exited("w1")
    fleet.restart()
    fleet.join()
    assert fleet.tick(59) == []
    assert [(end.run, end.outcome) for end in fleet.tick(1)] == [("r1", "lost")]


def test_halves_in_the_store_come_to_an_end(fleet: Fleet):
    fleet.running("r1", notebook="1")
    fleet.running("r2", notebook="2")
    fleet.submit("r3", notebook="2")
    run = fleet.run("r1")
    assert isinstance(run, Run)
    orphan = replace(run, id=RunId("r4"), session="s-lost", state=RunState.QUEUED, worker=None)
    fleet.store |= {"r4": orphan}
    del fleet.store["w2"], fleet.store["s1"]
    fleet.restart()
    asked = fleet.tick()
    assert {end.run for end in asked if isinstance(end, EndLog)} == {"r3", "r4"}
    assert [stop.worker for stop in asked if isinstance(stop, StopWorker)] == ["w1"]
