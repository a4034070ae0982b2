"""One run's frames between two parties that lose each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farcell_protocol.errors import StreamGap
from farcell_protocol.stream import Receiver, Sender


def test_frames_are_numbered_from_one_without_gaps():
    sender = Sender()
    assert [sender.number() for _ in range(3)] == [1, 2, 3]


def test_nothing_follows_the_end():
    sender = Sender()
    sender.number(end=True)
    with pytest.raises(StreamGap, match="after the end, which was number 1"):
        sender.number()


def test_a_replay_is_skipped_frame_by_frame():
    receiver = Receiver(last=5)
    assert receiver.accept(4, 4) == 2
    assert receiver.last == 7


def test_a_replay_of_what_is_known_changes_nothing():
    receiver = Receiver(last=5, ended=True)
    assert receiver.accept(2, 3) == 3
    assert receiver == Receiver(last=5, ended=True)


def test_a_gap_says_what_is_missing():
    with pytest.raises(StreamGap, match="frames 3 to 4 are missing") as caught:
        Receiver(last=2).accept(5, 1)
    assert caught.value.fields == {"after": 2, "received": 5}


def test_what_was_acknowledged_cannot_be_asked_for_again():
    sender = Sender(last=10, acknowledged=6)
    with pytest.raises(StreamGap, match="asked for frames after 5, but 7 to 10 are what is kept"):
        sender.resume(5)
    with pytest.raises(StreamGap):
        sender.resume(11)
    sender.resume(6)
    assert sender.sent == 6


def test_acknowledgements_may_be_late_repeated_or_too_eager():
    sender = Sender(last=4)
    for upto in (3, 1, 3, 99):
        sender.acknowledge(upto)
    assert sender.acknowledged == 4


links = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4), st.booleans(), st.booleans()), max_size=30)


@given(st.integers(1, 30), links)
def test_every_frame_arrives_once_and_in_order_over_links_that_break(
    total: int, broken: list[tuple[int, int, bool, bool]]
):
    sender, receiver = Sender(), Receiver()
    received: list[int] = []
    whole = (total, total, True, True)
    for made, sent, arrives, acknowledged in [*broken, whole]:
        for _ in range(min(made, total - sender.last)):
            sender.number(end=sender.last + 1 == total)
        sender.resume(receiver.last)  # each round is a new connection
        first, upto = sender.sent + 1, min(sender.last, sender.sent + sent)
        if arrives and upto >= first:
            skipped = receiver.accept(first, upto - first + 1, end=upto == total)
            received += range(first + skipped, upto + 1)
        if acknowledged:
            sender.acknowledge(receiver.last)
    assert received == list(range(1, total + 1))
    assert sender.done
