"""Whose turn it is, the place in line, and the sentence that says why."""

import pytest

from farcell_executor.model import SessionState
from farcell_executor.scheduling import wording
from farcell_executor.scheduling.actions import StartWorker
from farcell_protocol.gpus import parse_gpus
from tests.unit.executor.scheduling.fleet import Fleet, devices


def fleet_of(*models: tuple[str, int]) -> Fleet:
    fleet = Fleet()
    fleet.join(*(device for model, how_many in models for device in devices("n", model, how_many)))
    return fleet


def started(actions) -> list[tuple[str, ...]]:
    return [(action.session, *action.devices) for action in actions if isinstance(action, StartWorker)]


def test_who_came_first_gets_the_device_that_becomes_free():
    fleet = fleet_of(("H100", 1))
    for number in (1, 2, 3):
        fleet.submit(f"r{number}", "H100", notebook=str(number))
    assert started(fleet.exited("w1")) == [("s2", "H100-0")]
    assert started(fleet.exited("w2")) == [("s3", "H100-0")]


def test_a_small_request_does_not_overtake_a_large_one_on_the_devices_that_waits_for():
    fleet = fleet_of(("H100", 4))
    fleet.submit("small", "H100", notebook="1")
    assert started(fleet.submit("large", "H100:4", notebook="2")) == []
    assert started(fleet.submit("later", "H100", notebook="3")) == []
    assert started(fleet.exited("w1")) == [("s2", "H100-0", "H100-1", "H100-2", "H100-3")]


def test_a_later_request_goes_ahead_on_devices_the_first_cannot_use():
    fleet = fleet_of(("H100", 2), ("T4", 1))
    fleet.submit("r1", "H100", notebook="1")
    fleet.submit("large", "H100:2", notebook="2")
    assert started(fleet.submit("r3", "T4", notebook="3")) == [("s3", "T4-0")]
    assert len(started(fleet.submit("r4", "cpu", notebook="4"))) == 1


def test_a_request_for_any_gpu_stays_behind_a_first_one_that_could_use_them_all():
    fleet = fleet_of(("H100", 2))
    fleet.submit("r1", "H100", notebook="1")
    fleet.submit("large", "any:2", notebook="2")
    assert started(fleet.submit("r3", "any", notebook="3")) == []


def test_a_waiting_run_says_for_what_behind_how_many_and_in_which_place():
    fleet = fleet_of(("H100", 2))
    fleet.submit("r1", "H100:2", notebook="1")
    fleet.submit("r2", "H100", notebook="2")
    fleet.submit("r3", "H100", notebook="3")
    assert fleet.run("r2").why == "waiting for an H100: 2 in use, 1st in line"
    assert fleet.run("r3").why == "waiting for an H100: 2 in use, 2nd in line"
    assert fleet.session_of("r3").why == fleet.run("r3").why
    assert [fleet.machine.place(name) for name in ("r1", "r2", "r3")] == [None, 1, 2]


def test_places_move_up_and_are_told_when_somebody_ahead_leaves():
    fleet = fleet_of(("H100", 1))
    for number in (1, 2, 3):
        fleet.submit(f"r{number}", "H100", notebook=str(number))
    fleet.cancel("r2")
    assert fleet.machine.why("r3") == fleet.run("r3").why == "waiting for an H100: 1 in use, 1st in line"


def test_those_who_wait_for_other_devices_are_not_ahead_in_line():
    fleet = fleet_of(("H100", 1), ("T4", 1))
    for number, gpu in enumerate(("H100", "T4", "H100", "T4", "any")):
        fleet.submit(f"r{number}", gpu, notebook=str(number))
    assert [fleet.machine.place(f"r{number}") for number in (2, 3, 4)] == [1, 1, 3]


def test_runs_behind_others_of_their_session_say_behind_how_many(fleet: Fleet):
    fleet.running("r1")
    fleet.submit("r2")
    fleet.submit("r3")
    assert fleet.run("r3").why == "behind 2 runs of this session"
    assert [fleet.machine.place(name) for name in ("r1", "r2", "r3")] == [None, 1, 2]
    fleet.ended("r1")
    assert fleet.run("r2").why == ""
    assert fleet.run("r3").why == "behind 1 run of this session"


def test_devices_are_shown_with_the_session_that_holds_them():
    fleet = fleet_of(("H100", 2))
    fleet.submit("r1", "H100")
    assert [(device.id, holder) for device, holder in fleet.machine.devices()] == [("H100-0", "s1"), ("H100-1", None)]


def test_a_waiting_session_starts_when_devices_are_added():
    fleet = fleet_of(("H100", 1))
    fleet.submit("r1", "H100", notebook="1")
    fleet.submit("r2", "H100", notebook="2")
    assert started(fleet.join(*devices("n", "H100", 2), workers=())) == [("s1", "H100-0"), ("s2", "H100-1")]


def test_a_request_whose_node_is_away_waits_for_it_by_name():
    fleet = fleet_of(("H100", 1))
    fleet.handle_disconnect()
    fleet.submit("r1", "H100")
    assert fleet.run("r1").why == "waiting for an H100: the link to n is down since 00:16:40 UTC"
    assert fleet.session_of("r1").state is SessionState.WAITING
    assert started(fleet.join(*devices("n", "H100", 1))) == [("s1", "H100-0")]


def test_a_request_that_no_node_can_hold_any_more_says_so_and_waits():
    fleet = fleet_of(("H100", 1))
    fleet.submit("r1", "H100", notebook="1")
    fleet.submit("r2", "H100", notebook="2")
    fleet.join()
    assert fleet.run("r2").why == "waiting for an H100: no node has that now"


@pytest.mark.parametrize(
    ("gpu", "said"),
    [
        ("H100", "an H100"),
        ("T4", "a T4"),
        ("A100,H100", "an A100 or H100"),
        ("H100:2", "2 H100"),
        ("A100:2,H100:2", "2 A100 or 2 H100"),
        ("", "a GPU"),
        ("any:2", "2 GPUs"),
        ("cpu", "the CPU"),
    ],
)
def test_gpus_are_named_as_one_says_them(gpu: str, said: str):
    assert wording.gpus(parse_gpus(gpu)) == said


def test_ordinals():
    numbers = [1, 2, 3, 4, 11, 12, 13, 21, 102, 111]
    expected = ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th"]
    assert [wording.ordinal(number) for number in numbers] == expected
