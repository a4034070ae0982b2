"""How runs end: by themselves, over time, cancelled, interrupted, with their worker or session."""

import pytest

from farcell_executor.model import RunState, SessionState, WorkerState
from farcell_executor.scheduling import events
from farcell_executor.scheduling.actions import Dispatch, EndLog, ForgetWorker, Interrupt, StopWorker
from farcell_protocol.errors import Cancelled, DiskFull, FarcellError, NotFound, OutOfMemory, SessionEnded, Unavailable
from tests.unit.executor.scheduling.fleet import CANCELLED, KILLED, Fleet, devices, report

TORN = SessionEnded("ada stopped the session").info()
FULL = DiskFull("no room for the run's output").info()


def kinds(actions) -> list[str]:
    return [type(action).__name__ for action in actions]


# ---- by themselves -----------------------------------------------------------------------------------


def test_when_a_run_ends_the_next_of_its_session_is_handed_over(fleet: Fleet):
    worker = fleet.running("r1")
    fleet.submit("r2")
    assert fleet.ended("r1") == [Dispatch("n", worker, "r2")]
    assert fleet.run("r1").state is RunState.ENDED
    assert fleet.run("r1").outcome == "ok"
    assert fleet.session_of("r2").idle_since is None


def test_a_session_without_runs_is_idle_from_then_on(fleet: Fleet):
    fleet.running("r1")
    fleet.now += 5
    fleet.ended("r1")
    assert fleet.session_of("r1").idle_since == fleet.now
    assert fleet.machine.next_deadline() == fleet.now + 300


def test_the_users_own_error_is_an_end_like_any_other(fleet: Fleet):
    fleet.running("r1")
    assert fleet.ended("r1", "error") == []
    assert (fleet.run("r1").outcome, fleet.run("r1").reason) == ("error", None)


def test_an_end_nobody_waits_for_changes_nothing(fleet: Fleet):
    fleet.running("r1")
    fleet.ended("r1")
    assert fleet.ended("r1", "lost", KILLED) == []
    assert fleet.ended("r-unknown") == []
    assert fleet.run("r1").outcome == "ok"


def test_a_run_the_keeper_would_not_take_ends_as_refused_and_the_next_one_runs(fleet: Fleet):
    fleet.running("r1")
    fleet.submit("r2")
    no_worker = NotFound("this keeper has no worker w1").info()
    asked = fleet.handle(events.RunRefused("r1", no_worker))
    assert asked == [EndLog("r1", "refused", no_worker)]
    assert fleet.finish(asked) == [Dispatch("n", "w1", "r2")]


def test_an_interrupt_that_came_before_the_code_ran_does_not_end_the_run(fleet: Fleet):
    fleet.running("r1")
    too_early = Unavailable("not executing yet, so there is nothing to interrupt").info()
    assert fleet.handle(events.RunRefused("r1", too_early)) == []
    assert fleet.run("r1").state is RunState.RUNNING


def test_a_run_whose_output_the_keeper_cannot_read_back_is_lost_with_its_worker(fleet: Fleet):
    fleet.running("r1")
    unreadable = FarcellError("the keeper cannot read back the output").info()
    asked = fleet.handle(events.RunRefused("r1", unreadable))
    assert asked == [EndLog("r1", "lost", unreadable), StopWorker("n", "w1", 0.0, unreadable)]


# ---- idle sessions -----------------------------------------------------------------------------------


def test_a_session_is_released_after_its_window_without_use(fleet: Fleet):
    fleet.running("r1")
    fleet.ended("r1")
    assert fleet.tick(299) == []
    (stop,) = fleet.tick(1)
    assert kinds([stop]) == ["StopWorker"]
    assert fleet.session_of("r1").reason.message == "released after 300 s without use"
    assert fleet.session_of("r1").state is SessionState.ENDED


def test_the_window_starts_again_with_every_run(fleet: Fleet):
    fleet.running("r1")
    fleet.ended("r1")
    fleet.now += 200
    fleet.submit("r2")
    assert fleet.machine.next_deadline() is None
    assert fleet.tick(200) == []
    fleet.ended("r2")
    assert fleet.tick(299) == []
    assert kinds(fleet.tick(1)) == ["StopWorker"]


def test_devices_of_a_released_session_are_free_only_when_its_worker_is_gone():
    fleet = Fleet()
    fleet.join(*devices("n", "H100", 1))
    fleet.running("r1", "H100", once=True)
    fleet.submit("r2", "H100")
    assert kinds(fleet.ended("r1")) == ["StopWorker"]
    assert fleet.session_of("r2").state is SessionState.WAITING
    assert kinds(fleet.exited("w1")) == ["ForgetWorker", "StartWorker"]


# ---- cancelled and interrupted in the queue -----------------------------------------------------------


def test_a_cancelled_run_that_waits_for_devices_ends_and_its_session_with_it():
    fleet = Fleet()
    fleet.join(*devices("n", "H100", 1))
    fleet.running("r1", "H100", notebook="1")
    fleet.submit("r2", "H100", notebook="2")
    asked = fleet.cancel("r2")
    assert asked == [EndLog("r2", "cancelled", CANCELLED)]
    assert fleet.session_of("r2").state is SessionState.ENDED
    fleet.finish(asked)
    assert fleet.run("r2").outcome == "cancelled"
    fleet.ended("r1")
    assert fleet.exited("w1") == [ForgetWorker("n", "w1")]  # and no worker is started


def test_a_run_cancelled_while_its_worker_starts_takes_the_worker_with_it(fleet: Fleet):
    fleet.submit("r1")
    asked = fleet.cancel("r1")
    assert kinds(asked) == ["EndLog", "StopWorker"]
    assert asked[1].grace_s == 0
    fleet.finish(asked)
    assert fleet.ready("w1") == [StopWorker("n", "w1", 2.0, fleet.worker("w1").reason)]
    assert fleet.exited("w1") == [ForgetWorker("n", "w1")]
    assert dict(fleet.machine.workers) == dict(fleet.machine.sessions) == dict(fleet.machine.runs) == {}


def test_a_starting_worker_stays_for_the_next_run_of_its_session(fleet: Fleet):
    fleet.submit("r1")
    fleet.submit("r2")
    assert kinds(fleet.cancel("r1")) == ["EndLog"]
    assert fleet.run("r2").state is RunState.STARTING
    assert fleet.ready("w1") == [Dispatch("n", "w1", "r2")]


def test_a_cancelled_run_behind_others_leaves_the_queue(fleet: Fleet):
    fleet.running("r1")
    fleet.submit("r2")
    fleet.submit("r3")
    fleet.cancel("r2")
    assert fleet.ended("r1") == [Dispatch("n", "w1", "r3")]


def test_an_interrupted_run_that_is_queued_is_cancelled(fleet: Fleet):
    fleet.running("r1")
    fleet.submit("r2")
    (end,) = fleet.interrupt("r2")
    assert (end.outcome, end.reason.code) == ("cancelled", "cancelled")
    assert end.reason.message == "interrupted while it was queued"


def test_an_end_that_is_decided_is_asked_for_once(fleet: Fleet):
    fleet.running("r1")
    fleet.submit("r2")
    assert len(fleet.cancel("r2")) == 1
    assert fleet.cancel("r2") == []
    assert fleet.interrupt("r2") == []
    assert fleet.run("r2").ending


# ---- cancelled and interrupted while running ----------------------------------------------------------


def test_the_stop_button_sends_sigint_and_nothing_more(fleet: Fleet):
    fleet.running("r1")
    assert fleet.interrupt("r1") == [Interrupt("n", "w1", "r1")]
    assert fleet.tick(1000) == []
    fleet.ended("r1", "error")
    assert fleet.run("r1").outcome == "error"
    assert fleet.session_of("r1").state is SessionState.READY


def test_cancel_sends_sigint_first_and_ends_the_worker_after_the_grace(fleet: Fleet):
    fleet.running("r1")
    assert fleet.cancel("r1", grace_s=3) == [Interrupt("n", "w1", "r1")]
    assert fleet.machine.next_deadline() == fleet.now + 3
    assert fleet.tick(3) == [StopWorker("n", "w1", 3, CANCELLED)]
    assert fleet.session_of("r1").state is SessionState.ENDED
    assert fleet.run("r1").state is RunState.RUNNING
    fleet.ended("r1", "lost", KILLED)
    assert (fleet.run("r1").outcome, fleet.run("r1").reason) == ("cancelled", CANCELLED)
    assert fleet.exited("w1") == [ForgetWorker("n", "w1")]


def test_a_run_that_obeys_sigint_is_cancelled_and_keeps_its_session(fleet: Fleet):
    fleet.running("r1")
    fleet.cancel("r1")
    fleet.ended("r1", "error")
    assert fleet.run("r1").outcome == "cancelled"
    assert fleet.session_of("r1").state is SessionState.READY
    assert fleet.tick(10) == []


def test_a_run_that_came_to_a_good_end_before_its_stop_took_effect_is_ok(fleet: Fleet):
    fleet.running("r1")
    fleet.cancel("r1")
    fleet.ended("r1", "ok")
    assert (fleet.run("r1").outcome, fleet.run("r1").reason) == ("ok", None)


def test_cancel_without_grace_ends_the_worker_at_once(fleet: Fleet):
    fleet.running("r1")
    assert fleet.cancel("r1", grace_s=0) == [StopWorker("n", "w1", 0, CANCELLED)]


def test_cancelling_again_keeps_the_first_reason_and_may_only_hasten_the_end(fleet: Fleet):
    fleet.running("r1")
    fleet.cancel("r1", grace_s=60)
    other = Cancelled("somebody else").info()
    assert fleet.cancel("r1", grace_s=100, reason=other) == [Interrupt("n", "w1", "r1")]
    assert fleet.machine.next_deadline() == fleet.now + 60
    assert fleet.cancel("r1", grace_s=0, reason=other) == [StopWorker("n", "w1", 0, CANCELLED)]


def test_what_waits_behind_a_run_that_has_to_be_killed_is_lost_and_told_why(fleet: Fleet):
    fleet.running("r1")
    fleet.submit("r2")
    fleet.cancel("r1")
    end, stop = fleet.tick(2)
    assert (end.run, end.outcome, end.reason.code) == ("r2", "lost", "session-ended")
    assert end.reason.message == "its session ended before the run could start: somebody cancelled it"
    assert stop.worker == "w1"


# ---- time limits -------------------------------------------------------------------------------------


def test_the_time_limit_counts_from_the_start_of_the_run(fleet: Fleet):
    fleet.submit("r1", timeout_s=10)
    fleet.now += 100
    fleet.ready("w1")
    assert fleet.machine.next_deadline() == fleet.now + 10
    assert fleet.tick(9) == []
    assert fleet.tick(1) == [Interrupt("n", "w1", "r1")]
    (stop,) = fleet.tick(2)
    assert (stop.reason.code, stop.reason.message) == ("timed-out", "over its time limit of 10 s")
    fleet.ended("r1", "lost", stop.reason)
    assert fleet.run("r1").outcome == "timed-out"
    assert fleet.run("r1").reason.fields["timeout_s"] == 10


def test_a_run_that_is_over_its_time_and_cancelled_has_timed_out(fleet: Fleet):
    fleet.running("r1", timeout_s=10)
    fleet.tick(10)
    fleet.cancel("r1")
    fleet.ended("r1", "error")
    assert fleet.run("r1").outcome == "timed-out"


# ---- with the worker ---------------------------------------------------------------------------------


def test_a_worker_that_dies_ends_its_session_and_loses_what_waits_in_it(fleet: Fleet):
    fleet.running("r1")
    fleet.submit("r2")
    oom = OutOfMemory("over 4 GiB").info()
    assert fleet.ended("r1", "lost", oom) == [Dispatch("n", "w1", "r2")]
    asked = fleet.exited("w1", oom)
    assert fleet.session_of("r1").reason == oom
    assert fleet.run("r1").reason == oom
    assert asked == []  # the keeper's End for r2 is still to come
    assert fleet.ended("r2", "lost", oom) == [ForgetWorker("n", "w1")]


def test_runs_that_were_not_handed_over_end_with_the_session(fleet: Fleet):
    fleet.running("r1", session="big")
    fleet.submit("r2", session="big")
    (end,) = fleet.exited("w1")
    assert (end.run, end.outcome, end.reason.code) == ("r2", "lost", "session-ended")
    assert end.reason.message == f"session big ended before the run could start: {KILLED.message}"
    assert fleet.run("r1").state is RunState.RUNNING


def test_a_run_whose_end_never_comes_after_its_worker_is_gone_is_lost_in_the_end(fleet: Fleet):
    fleet.running("r1")
    fleet.exited("w1")
    assert fleet.tick(59) == []
    asked = fleet.tick(1)
    assert asked == [EndLog("r1", "lost", KILLED)]
    assert fleet.finish(asked) == [ForgetWorker("n", "w1")]


def test_behind_a_broken_link_a_missing_end_is_waited_for(fleet: Fleet):
    fleet.running("r1")
    fleet.exited("w1")
    fleet.handle_disconnect()
    assert fleet.tick(500) == []


def test_a_worker_that_does_not_start_loses_its_runs_and_is_not_tried_again(fleet: Fleet):
    fleet.submit("r1")
    fleet.submit("r2")
    asked = fleet.exited("w1")
    assert [(end.run, end.outcome, end.reason.code) for end in asked[:2]] == [
        ("r1", "lost", "worker-not-started"),
        ("r2", "lost", "worker-not-started"),
    ]
    assert kinds(asked[2:]) == ["ForgetWorker"]
    assert asked[0].reason.message == f"the worker did not start: {KILLED.message}"
    assert fleet.worker("w1").state is WorkerState.GONE


def test_news_of_a_worker_nobody_knows_is_answered_by_stopping_and_forgetting_it(fleet: Fleet):
    asked = fleet.handle(events.WorkerChanged(report("w-strange"), "n"))
    assert kinds(asked) == ["StopWorker", "ForgetWorker"]
    assert asked[0].grace_s == 0
    assert fleet.handle(events.WorkerChanged(report("w-strange", "exited"), "n")) == [ForgetWorker("n", "w-strange")]


def test_news_of_a_stranger_from_nowhere_is_ignored(fleet: Fleet):
    assert fleet.handle(events.WorkerChanged(report("w-strange"))) == []


# ---- with the session --------------------------------------------------------------------------------


def test_stopping_a_session_cancels_everything_in_it(fleet: Fleet):
    fleet.running("r1")
    fleet.submit("r2")
    asked = fleet.handle(events.SessionStopRequested("s1", TORN, 5.0))
    assert asked == [EndLog("r2", "cancelled", TORN), StopWorker("n", "w1", 5.0, TORN)]
    fleet.ended("r1", "lost", TORN)
    assert fleet.run("r1").outcome == "cancelled"
    assert fleet.exited("w1", TORN) == [ForgetWorker("n", "w1")]


def test_stopping_a_starting_session_starts_nothing(fleet: Fleet):
    fleet.submit("r1")
    asked = fleet.handle(events.SessionStopRequested("s1", TORN, 5.0))
    assert asked == [EndLog("r1", "cancelled", TORN), StopWorker("n", "w1", 0.0, TORN)]


def test_stopping_a_waiting_session_ends_it():
    fleet = Fleet()
    fleet.join(*devices("n", "H100", 1))
    fleet.running("r1", "H100", notebook="1")
    fleet.submit("r2", "H100", notebook="2")
    asked = fleet.handle(events.SessionStopRequested("s2", TORN, 5.0))
    assert asked == [EndLog("r2", "cancelled", TORN)]
    assert fleet.session_of("r2").state is SessionState.ENDED


def test_stopping_an_ended_session_again_hastens_its_worker(fleet: Fleet):
    fleet.running("r1")
    fleet.handle(events.SessionStopRequested("s1", TORN, 60.0))
    assert fleet.handle(events.SessionStopRequested("s1", TORN, 0.0)) == [StopWorker("n", "w1", 0.0, TORN)]
    assert fleet.handle(events.SessionStopRequested("s-unknown", TORN, 0.0)) == []


# ---- with the disk -----------------------------------------------------------------------------------


def test_a_run_whose_output_cannot_be_kept_is_ended_with_its_worker(fleet: Fleet):
    fleet.running("r1")
    asked = fleet.handle(events.LogFailed("r1", FULL))
    assert asked == [EndLog("r1", "lost", FULL), StopWorker("n", "w1", 0.0, FULL)]
    fleet.finish(asked)
    assert (fleet.run("r1").outcome, fleet.run("r1").reason) == ("lost", FULL)


def test_a_queued_run_whose_log_cannot_be_made_ends_and_releases_its_session(fleet: Fleet):
    fleet.submit("r1")
    assert kinds(fleet.handle(events.LogFailed("r1", FULL))) == ["EndLog", "StopWorker"]


@pytest.mark.parametrize(
    "event",
    [
        events.RunStopRequested("r-unknown", CANCELLED, 1.0),
        events.RunInterruptRequested("r-unknown"),
        events.RunRefused("r-unknown", CANCELLED),
        events.LogFailed("r-unknown", CANCELLED),
        events.NodeDisconnected("n-unknown"),
        events.NodeGivenUp("n-unknown"),
        events.KeeperChanged("n-unknown", "k"),
        events.DevicesChanged("n-unknown", ()),
        events.Ticked(),
    ],
    ids=lambda event: type(event).__name__,
)
def test_unknown_ids_are_ignored(fleet: Fleet, event: events.Event):
    assert fleet.handle(event) == []
    assert fleet.saved == []
