"""What a client knows of each run it follows, and what it says to the executor about it. Pure.

Frames go by number: on a new link each run is followed from the last one received, and a request that
was not confirmed goes out again under the same run id, which is harmless.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from farcell.follow import HELD_BYTES, Changed, Encoded, Inbox, Item
from farcell.tells import Tells, Update
from farcell_protocol.errors import FarcellError, StreamGap, Unavailable, error_from
from farcell_protocol.ids import RunId, TellId
from farcell_protocol.messages.api import (
    Cancel,
    Follow,
    FromClient,
    Interrupt,
    Refused,
    RunChanged,
    RunFrames,
    RunRequest,
    RunView,
    Submit,
    Tell,
    ToClient,
    Unfollow,
)
from farcell_protocol.stream import Receiver

MOST_TRIES = 10
"""How often a request may go out, or a gap be asked for again, with nothing coming of it."""


@dataclass
class FollowedRun:
    """One followed run.

    `unsent` is its request until the executor confirms it, `controls` what was asked about it before that.
    `resuming` means: followed again on the same link, so frames sent earlier may still arrive.
    """

    run: RunId
    inbox: Inbox
    receiver: Receiver
    unsent: Submit | None = None
    controls: list[Interrupt | Cancel] = field(default_factory=list)
    wanted: bool = True
    paused: bool = False
    resuming: bool = False
    tries: int = 0


class Lines:
    """All runs a client follows. Each method returns the messages to send now, if there is a link;
    without one they may be dropped, since `opening` says everything again."""

    def __init__(self, tells: Tells | None = None) -> None:
        self._lines: dict[RunId, FollowedRun] = {}
        self.tells = tells or Tells()

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def unsent(self) -> int:
        """How many requests the executor has not confirmed."""
        return sum(line.unsent is not None for line in self._lines.values())

    def submit(self, request: RunRequest, inbox: Inbox) -> list[FromClient]:
        """A new run, followed from its start."""
        line = FollowedRun(request.run, inbox, Receiver(), unsent=Submit(request), tries=1)
        self._replace(line)
        return [Submit(request)]

    def follow(self, run: RunId, after: int, inbox: Inbox) -> list[FromClient]:
        """An existing run. Whoever followed it on this client before is told that it was taken over."""
        line = FollowedRun(run, inbox, Receiver(after))
        before = self._replace(line)
        if before is None:
            return [Follow(run, after)]
        line.unsent, line.controls, line.tries = before.unsent, before.controls, before.tries
        line.resuming = True
        return [] if line.unsent else [Unfollow(run), Follow(run, after)]

    def _replace(self, line: FollowedRun) -> FollowedRun | None:
        before = self._lines.pop(line.run, None)
        if before is not None and before.wanted:
            before.inbox.put(Unavailable(f"run {line.run} is now followed by another cell", run=line.run))
        self._lines[line.run] = line
        return before

    def leave(self, run: RunId, inbox: Inbox) -> list[FromClient]:
        """Its reader has gone. A request that is still on its way is seen through first."""
        line = self._lines.get(run)
        if line is None or line.inbox is not inbox:
            return []
        if line.unsent is not None:
            line.wanted = False
            return []
        self._remove(run)
        return [Unfollow(run)]

    def _remove(self, run: RunId) -> None:
        self._lines.pop(run, None)
        self.tells.forget(run)

    def resume(self, run: RunId, inbox: Inbox) -> list[FromClient]:
        """Its reader has caught up."""
        line = self._lines.get(run)
        if line is None or line.inbox is not inbox or not line.paused:
            return []
        line.paused, line.resuming = False, True
        return [Follow(run, line.receiver.last)]

    def control(self, message: Interrupt | Cancel) -> list[FromClient]:
        """Let `message` go behind the request of its run; empty if that is confirmed, or not ours."""
        line = self._lines.get(message.run)
        if line is None or line.unsent is None:
            return []
        line.controls.append(message)
        return [message]

    def pass_on(self, tell: Tell, update: Update | None) -> list[FromClient]:
        """Tell a followed run something; nothing if it is not followed, for then nobody would see that it hears."""
        return [*self.tells.add(tell, update)] if tell.run in self._lines else []

    def heard(self, run: RunId, tells: list[TellId]) -> list[FromClient]:
        """The run has these."""
        return [*self.tells.heard(run, tells)]

    def opening(self) -> list[FromClient]:
        """What to say first on a new link."""
        said: list[FromClient] = []
        for line in list(self._lines.values()):
            line.resuming = False
            if line.unsent is not None:
                said += self._submit_again(line, line.unsent)
            elif not line.paused:
                said.append(Follow(line.run, line.receiver.last))
            said += self.tells.opening(line.run)
        return said

    def _submit_again(self, line: FollowedRun, request: Submit) -> list[FromClient]:
        line.tries += 1
        if line.tries > MOST_TRIES:
            self._fail(
                line,
                Unavailable(
                    f"the link broke {MOST_TRIES} times while run {line.run} was being sent; see the executor's log",
                    run=line.run,
                ),
            )
            return []
        return [request, *line.controls]

    def receive(self, message: ToClient, size_bytes: int) -> list[FromClient]:
        """Hand on what the executor said to whom it concerns."""
        match message:
            case RunChanged(view=view):
                line = self._lines.get(view.run)
                return [] if line is None else self._confirmed(line) or self._changed(line, view)
            case RunFrames(run=run):
                line = self._lines.get(run)
                return [] if line is None else self._confirmed(line) or self._frames(line, message, size_bytes)
            case Refused(run=None, error=error):
                self.fail_unsent(error_from(error))
            case Refused(run=run, error=error) if run in self._lines:
                line = self._lines[run]
                # Of an executor that leaves: this link ends in a moment, and the next one begins with the request.
                if line.unsent is None or not error.fields.get("leaving"):
                    self._fail(line, error_from(error))
        return []

    def _confirmed(self, line: FollowedRun) -> list[FromClient]:
        if line.unsent is not None:
            line.unsent, line.tries = None, 0
            line.controls.clear()
        if line.wanted:
            return []
        self._remove(line.run)
        return [Unfollow(line.run)]

    def _changed(self, line: FollowedRun, view: RunView) -> list[FromClient]:
        if view.state != "ended":
            line.inbox.put(Changed(view))
            return []
        if line.receiver.last < view.frames:
            return [] if line.paused else self._ask_again(line)
        self._remove(line.run)
        line.inbox.put(Changed(view))
        return []

    def _frames(self, line: FollowedRun, message: RunFrames, size_bytes: int) -> list[FromClient]:
        if line.paused:
            return []
        try:
            seen = line.receiver.accept(message.first, len(message.frames))
        except StreamGap:
            return [] if line.resuming else self._ask_again(line)
        line.resuming, line.tries = False, 0
        if seen < len(message.frames):
            line.inbox.put(Encoded(message.first + seen, message.frames[seen:]), size_bytes)
        return self._pause(line) if line.inbox.held_bytes > HELD_BYTES else []

    def _pause(self, line: FollowedRun) -> list[FromClient]:
        line.paused = True
        line.inbox.wants_room = True
        if line.inbox.held_bytes <= HELD_BYTES // 2:
            # The reader took everything before it could see that room is wanted.
            line.inbox.wants_room = False
            return [Unfollow(line.run), *self.resume(line.run, line.inbox)]
        return [Unfollow(line.run)]

    def _ask_again(self, line: FollowedRun) -> list[FromClient]:
        line.tries += 1
        last = line.receiver.last
        if line.tries > MOST_TRIES:
            self._fail(line, StreamGap(f"the frames of run {line.run} after {last} do not come", after=last))
            return [Unfollow(line.run)]
        line.resuming = True
        return [Unfollow(line.run), Follow(line.run, last)]

    def put_to_all(self, item: Item) -> None:
        """The same to every reader."""
        for line in self._lines.values():
            line.inbox.put(item)

    def fail(self, error: FarcellError) -> None:
        """Nothing more will come for any run."""
        self._fail_if(error, lambda line: True)

    def fail_unsent(self, error: FarcellError) -> None:
        """The executor cannot take the requests that it has not confirmed."""
        self._fail_if(error, lambda line: line.unsent is not None)

    def _fail_if(self, error: FarcellError, concerned: Callable[[FollowedRun], bool]) -> None:
        for line in [line for line in self._lines.values() if concerned(line)]:
            self._fail(line, error)

    def _fail(self, line: FollowedRun, error: FarcellError) -> None:
        self._remove(line.run)
        line.inbox.put(error)
