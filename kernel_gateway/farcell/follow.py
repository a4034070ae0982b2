"""A run's frames and changes of state, as one thread of the user's kernel takes them.

The loop's thread puts items in, the follower's owner takes them out: `Inbox` is the crossing.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from farcell_protocol.errors import FarcellError, FramingError, Unavailable
from farcell_protocol.frames import Frame, Heard, decode_frame
from farcell_protocol.ids import RunId, TellId
from farcell_protocol.messages.api import RunView
from farcell_protocol.pieces import Joiner

HELD_BYTES = 8 * 2**20
"""How many bytes of frames wait for a slow reader before the executor is asked to pause."""


@dataclass(frozen=True)
class Changed:
    """The run's state is now this. One with state "ended" is the last thing a follower yields."""

    view: RunView


@dataclass(frozen=True)
class Batch:
    """Frames numbered from `first`, each exactly once and in order. A message that came in pieces stands in the place
    of its last one; the others are empty."""

    first: int
    frames: list[Frame]


@dataclass(frozen=True)
class LinkDown:
    """The executor cannot be reached since `since` (seconds since the epoch). The run goes on there,
    and the link is being made again."""

    why: str
    since: float


@dataclass(frozen=True)
class LinkUp:
    """The executor answers again; what was missed follows."""


@dataclass(frozen=True)
class Encoded:
    """A `Batch` before it is decoded, which is the reader's work, not the loop's."""

    first: int
    frames: list[msgspec.Raw]


Item = Changed | Encoded | LinkDown | LinkUp | FarcellError
Event = Changed | Batch | LinkDown | LinkUp


class Inbox:
    """A queue with one reader, whose items are never lost to a KeyboardInterrupt.

    Both ends keep their own running total of bytes, so that neither needs a lock.
    """

    def __init__(self, on_room: Callable[[], None]) -> None:
        self._on_room = on_room
        self._items: deque[tuple[Item, int]] = deque()
        # Released while there is something to look at: a lock can be waited for with a deadline, wakes
        # in microseconds, and lets a signal through.
        self._bell = threading.Lock()
        self._bell.acquire()
        self._put_bytes = 0
        self._taken_bytes = 0
        self.head_is_taken = False  # set by the reader, without a call in between: see `Follower.next`
        self.wants_room = False

    @property
    def held_bytes(self) -> int:
        """Bytes of frames not yet taken."""
        return self._put_bytes - self._taken_bytes

    def put(self, item: Item, size_bytes: int = 0) -> None:
        """Add an item; called in the loop's thread."""
        self._put_bytes += size_bytes
        self._items.append((item, self._put_bytes))
        self.ring()

    def ring(self) -> None:
        """Wake the reader."""
        try:
            self._bell.release()
        except RuntimeError:  # it was already rung
            return

    def peek(self, timeout_s: float | None) -> Item | None:
        """The oldest item not yet taken, which stays until `head_is_taken` is set; None after
        `timeout_s`."""
        if self.head_is_taken:
            # Removing it only now closes a gap: an interrupt between removing an item and returning it
            # would lose it. Interrupts arrive after calls, so these two lines happen together.
            self.head_is_taken = False
            self._items.popleft()
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._items:
            left = -1.0 if deadline is None else max(0.0, deadline - time.monotonic())
            if not self._bell.acquire(timeout=left):
                return None
        item, upto = self._items[0]
        self._taken_bytes = upto
        if self.wants_room and self.held_bytes <= HELD_BYTES // 2:
            self.wants_room = False
            self._on_room()
        return item


class Follower:
    """One run's output as it comes, across lost links, executor restarts and slow readers.

    To be used by one thread at a time; that thread may be interrupted at any moment without losing
    anything: call `next` again. `last` is the newest frame of which everything up to it has been seen whole.
    """

    def __init__(
        self,
        run: RunId,
        after: int,
        inbox: Inbox,
        on_close: Callable[[], None],
        on_heard: Callable[[list[TellId]], None] = lambda tells: None,
    ) -> None:
        self.run = run
        self.last = after
        self._inbox = inbox
        self._on_close = on_close
        self._on_heard = on_heard
        self._over = False
        self._joiner = Joiner()

    def next(self, timeout_s: float | None) -> Event | None:
        """What happened next to the run; None if nothing does within `timeout_s` (None waits forever).

        After `Changed` with state "ended" nothing more comes: each further call raises `Unavailable`.

        Raises:
            FarcellError: the executor refused the run or this client, by class; raised again on each call.
            KeyboardInterrupt: at once, and nothing is lost by it.
        """
        if self._over:
            raise Unavailable(f"run {self.run} is no longer followed here: it ended or was closed", run=self.run)
        item = self._inbox.peek(timeout_s)
        if item is None:
            return None
        if isinstance(item, FarcellError):
            raise item
        # A copy: whoever is interrupted here opens the same item again.
        joiner = self._joiner.copy()
        event = self._open(item, joiner) if isinstance(item, Encoded) else item
        last = self.last if not isinstance(event, Batch) else event.first + len(event.frames) - 1 - joiner.waiting
        over = isinstance(event, Changed) and event.view.state == "ended"
        if over:
            self._on_close()
        # No call may stand between these and the return: an interrupt could slip in after it.
        self._joiner, self._over, self.last, self._inbox.head_is_taken = joiner, over, last, True
        return event

    def close(self) -> None:
        """Stop following; the run goes on. A thread waiting in `next` is told so."""
        if not self._over:
            self._over = True
            self._on_close()
            self._inbox.put(Unavailable(f"run {self.run} is no longer followed here", run=self.run))

    def leave_the_rest(self) -> None:
        """The reader has seen all it wants. What still comes of the run, its "ended" at the latest, ends the
        following by itself; nothing has to be said to the executor."""
        self._over = True

    def __del__(self) -> None:
        # An interrupted cell may drop its follower unclosed; the executor should not go on sending.
        if not getattr(self, "_over", True):
            self._on_close()

    def _open(self, item: Encoded, joiner: Joiner) -> Batch:
        try:
            frames = [joiner.take(decode_frame(frame)) for frame in item.frames]
        except msgspec.DecodeError as err:
            raise FramingError(f"cannot read the frames from {item.first} on: {err}", first=item.first) from err
        heard = [tell for frame in frames if isinstance(frame, Heard) for tell in frame.tells]
        if heard:
            self._on_heard(heard)
        return Batch(item.first, frames)
