"""What a client says about the runs it follows: no link, no loop."""

import pytest

from farcell.follow import HELD_BYTES, Changed, Encoded, Inbox, Item
from farcell.lines import MOST_TRIES, Lines
from farcell_protocol.errors import FarcellError, StreamGap, Unavailable
from farcell_protocol.ids import RunId, SessionId
from farcell_protocol.messages.api import (
    Follow,
    Interpreter,
    Refused,
    RunChanged,
    RunFrames,
    RunRequest,
    RunState,
    RunView,
    Submit,
    Unfollow,
)

RUN = RunId("r-1")
REQUEST = RunRequest(RUN, b"", Interpreter("python", "3.11.7"))


def changed(state: RunState = "running", frames: int = 0) -> RunChanged:
    return RunChanged(RunView(RUN, SessionId("s-1"), state, "", "", "", "", 0.0, frames=frames))


def frames(first: int, count: int = 1) -> RunFrames:
    return RunFrames(RUN, first, [b"\xc0"] * count)  # type: ignore[list-item]


def new_inbox() -> Inbox:
    return Inbox(on_room=lambda: None)


def taken(inbox: Inbox) -> list[Item]:
    """Everything in it, read."""
    found = []
    while (item := inbox.peek(0)) is not None:
        found.append(item)
        inbox.head_is_taken = True
    return found


@pytest.fixture
def inbox() -> Inbox:
    return new_inbox()


@pytest.fixture
def following(inbox: Inbox) -> Lines:
    """A run that was submitted and confirmed, with three frames received."""
    lines = Lines()
    lines.submit(REQUEST, inbox)
    lines.receive(changed(), 1)
    lines.receive(frames(1, 3), 1)
    taken(inbox)
    return lines


def test_a_new_link_repeats_a_request_until_it_is_confirmed_and_then_follows_from_the_last_frame(inbox: Inbox) -> None:
    lines = Lines()
    assert lines.submit(REQUEST, inbox) == lines.opening() == [Submit(REQUEST)]
    lines.receive(changed(), 1)
    assert lines.opening() == [Follow(RUN, 0)]
    lines.receive(frames(1, 3), 1)
    assert lines.opening() == [Follow(RUN, 3)]


def test_a_request_that_an_executor_refuses_because_it_leaves_goes_to_the_next(inbox: Inbox) -> None:
    lines = Lines()
    lines.submit(REQUEST, inbox)
    assert lines.receive(Refused(RUN, Unavailable("leaving", leaving=True).info()), 1) == []
    assert (taken(inbox), lines.opening()) == ([], [Submit(REQUEST)])
    lines.receive(Refused(RUN, Unavailable("its store takes nothing").info()), 1)
    (error,) = taken(inbox)
    assert isinstance(error, Unavailable)
    assert lines.opening() == []


def test_frames_seen_before_are_not_handed_on_again(following: Lines, inbox: Inbox) -> None:
    following.receive(frames(2, 4), 1)
    assert [(item.first, len(item.frames)) for item in taken(inbox) if isinstance(item, Encoded)] == [(4, 2)]


def test_an_end_that_comes_before_its_frames_is_not_believed(following: Lines, inbox: Inbox) -> None:
    assert following.receive(changed("ended", frames=5), 1) == [Unfollow(RUN), Follow(RUN, 3)]
    following.receive(frames(4, 2), 1)
    assert following.receive(changed("ended", frames=5), 1) == []
    assert isinstance(taken(inbox)[-1], Changed)
    assert len(following) == 0


def test_a_reader_that_is_behind_pauses_its_run_and_goes_on_where_it_was(following: Lines, inbox: Inbox) -> None:
    assert following.receive(frames(4), HELD_BYTES + 1) == [Unfollow(RUN)]
    assert following.receive(frames(5), 1) == []
    assert following.opening() == []
    taken(inbox)
    assert following.resume(RUN, inbox) == [Follow(RUN, 4)]
    assert following.receive(frames(7), 1) == [], "sent before the executor knew: not a gap"
    assert following.receive(frames(5, 3), 1) == []
    assert [(item.first, len(item.frames)) for item in taken(inbox) if isinstance(item, Encoded)] == [(5, 3)]


def test_a_paused_run_that_ends_is_followed_to_its_end(following: Lines, inbox: Inbox) -> None:
    following.receive(frames(4), HELD_BYTES + 1)
    assert following.receive(changed("ended", frames=6), 1) == []
    taken(inbox)
    assert following.resume(RUN, inbox) == [Follow(RUN, 4)]
    following.receive(frames(5, 2), 1)
    following.receive(changed("ended", frames=6), 1)
    assert isinstance(taken(inbox)[-1], Changed)


def test_frames_that_never_come_are_an_error_in_the_end(following: Lines, inbox: Inbox) -> None:
    for _ in range(MOST_TRIES):
        assert following.receive(changed("ended", frames=5), 1) == [Unfollow(RUN), Follow(RUN, 3)]
    assert following.receive(changed("ended", frames=5), 1) == [Unfollow(RUN)]
    assert isinstance(taken(inbox)[-1], StreamGap)


def test_only_the_reader_that_has_a_run_can_leave_it(following: Lines, inbox: Inbox) -> None:
    other = new_inbox()
    following.follow(RUN, 0, other)
    assert isinstance(taken(inbox)[-1], FarcellError)
    assert following.leave(RUN, inbox) == []
    assert following.leave(RUN, other) == [Unfollow(RUN)]
    assert following.receive(changed(), 1) == []
