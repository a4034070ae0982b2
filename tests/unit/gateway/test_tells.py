"""What runs are told: in order, until it was heard."""

import pytest

from farcell.tells import AGAIN_S, CROWDED, MOST_WAITING, Tells, Update, update_in
from farcell_protocol.ids import RunId, TellId
from farcell_protocol.messages.api import Tell
from farcell_protocol.messages.cells import CommMessage, InputReply

RUN, OTHER = RunId("r-1"), RunId("r-2")
X = Update("slider", frozenset({"value"}))
Y = Update("other", frozenset({"value"}))


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tells(clock: Clock) -> Tells:
    return Tells(clock)


def tell(name: object, run: RunId = RUN, payload: bytes = b"") -> Tell:
    return Tell(run, TellId(f"m-{name}"), payload)


def rest(tells: Tells, first: Tell) -> list[str]:
    """The ids of all that waits, in order, each heard at once."""
    found, sent = [], [first]
    while sent:
        found.append(sent[0].tell.removeprefix("m-"))
        sent = tells.heard(RUN, [sent[0].tell])
    return found


def test_one_is_on_its_way_at_a_time_and_each_run_has_its_own_turn(tells: Tells) -> None:
    assert tells.add(tell(1)) == [tell(1)]
    assert tells.add(tell(2)) == []
    assert tells.add(tell(3, OTHER)) == [tell(3, OTHER)]
    assert tells.heard(RUN, [TellId("m-1")]) == [tell(2)]
    assert tells.heard(RUN, [TellId("m-2")]) == []
    assert len(tells) == 1


def test_what_was_not_heard_in_time_is_sent_again_under_its_id(tells: Tells, clock: Clock) -> None:
    tells.add(tell(1))
    tells.add(tell(2))
    clock.now += AGAIN_S - 0.01
    assert tells.again() == []
    clock.now += 0.02
    assert tells.again() == [tell(1)]
    assert tells.again() == []


def test_a_new_link_begins_with_what_was_on_its_way(tells: Tells) -> None:
    tells.add(tell(1))
    tells.add(tell(2))
    assert tells.opening(RUN) == [tell(1)]
    assert tells.opening(OTHER) == []


def test_being_heard_twice_changes_nothing(tells: Tells) -> None:
    tells.add(tell(1))
    tells.add(tell(2))
    tells.heard(RUN, [TellId("m-1")])
    assert tells.heard(RUN, [TellId("m-1")]) == []
    assert tells.opening(RUN) == [tell(2)]


def test_an_ended_run_is_told_nothing_more(tells: Tells) -> None:
    tells.add(tell(1))
    tells.forget(RUN)
    assert (len(tells), tells.opening(RUN)) == (0, [])


def test_only_in_a_crowd_a_new_value_takes_the_place_of_an_older_one(tells: Tells) -> None:
    for n in range(CROWDED):
        tells.add(tell(n), X)
    for n in range(CROWDED, CROWDED + 100):
        tells.add(tell(n), X)
    expected = [*range(CROWDED - 1), CROWDED + 99]
    assert rest(tells, tell(0)) == [str(n) for n in expected]


def test_two_widgets_moved_in_turn_keep_both_their_last_values(tells: Tells) -> None:
    tells.add(tell("click"))
    for n in range(100):
        tells.add(tell(f"x{n}"), X)
        tells.add(tell(f"y{n}"), Y)
    assert rest(tells, tell("click"))[-2:] == ["x99", "y99"]
    assert len(tells) == 0


def test_a_value_set_before_a_click_is_never_left_out_for_one_set_after_it(tells: Tells) -> None:
    for n in range(CROWDED):
        tells.add(tell(n), Y)
    tells.add(tell("before"), X)
    tells.add(tell("click"))
    tells.add(tell("after"), X)
    assert rest(tells, tell(0))[-3:] == ["before", "click", "after"]


def test_a_value_is_kept_if_the_newer_message_does_not_set_all_of_it(tells: Tells) -> None:
    for n in range(CROWDED):
        tells.add(tell(n), Y)
    tells.add(tell("both"), Update("slider", frozenset({"value", "min"})))
    tells.add(tell("one"), X)
    assert rest(tells, tell(0))[-2:] == ["both", "one"]


def test_there_is_room_up_to_a_number_and_a_size(tells: Tells) -> None:
    assert tells.has_room(RUN, 2**30)
    tells.add(tell(0, payload=bytes(40 * 2**20)))
    assert not tells.has_room(RUN, 40 * 2**20)
    assert tells.has_room(OTHER, 40 * 2**20)
    for n in range(1, MOST_WAITING):
        tells.add(tell(n))
    assert not tells.has_room(RUN, 0)


def comm(data: object, **more: object) -> CommMessage:
    return CommMessage("comm_msg", {"comm_id": "slider", "data": data}, **more)  # type: ignore[arg-type]


def test_only_a_plain_update_can_be_left_out_for_a_newer_one() -> None:
    update = {"method": "update", "state": {"value": 1}, "buffer_paths": []}
    assert update_in(comm(update)) == X
    assert update_in(comm(update, buffers=[b"x"])) is None
    assert update_in(comm({"method": "custom", "content": {"event": "click"}})) is None
    assert update_in(comm("anything")) is None
    assert update_in(CommMessage("comm_close", {"comm_id": "slider", "data": update})) is None
    assert update_in(InputReply(1, "x")) is None
