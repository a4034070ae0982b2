"""What waits to be sent: items in the order they were said, and whether the newest should wait on."""

import time
from collections import deque
from collections.abc import Callable, Iterable

from farcell_worker.coalescing import can_wait, coalesced, is_overwriting, overwrites
from farcell_worker.routes import Item, size_of

FLUSH_CHARS = 64 * 2**10
"""So much text is sent without waiting for more."""

HELD_CHARS = 1 * 2**20
"""How much text written between two runs (by a thread that goes on) is kept for the next one."""

OVERWRITES_EVERY_S = 0.1
"""What overwrites itself is sent so often; the last state always is, before whatever follows it and at the end."""

AT_ONCE = 10
"""So many states are sent without delay in the beginning, or after a while without any, as they would be locally."""

_MOST_DISPLAYS = 16
"""How many displays wait for such a turn."""


class Waiting:
    """A queue to which any thread appends; all else is for one thread at a time.

    `chars` is about what it holds: threads that append may lose each other's additions.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._turns = float(AT_ONCE)
        self._counted_at = clock()
        self.items: deque[Item] = deque()
        self.chars = 0
        self.dropped = 0

    def add(self, item: Item) -> None:
        """Put it last."""
        self.items.append(item)
        self.chars += size_of(item)

    def clear(self) -> None:
        """Forget everything."""
        self.items.clear()
        self.chars = 0

    def take(self) -> deque[Item]:
        """All that is there now, with less to send; more may come meanwhile."""
        self.chars = 0
        return deque(coalesced([self.items.popleft() for _ in range(len(self.items))]))

    def put_back(self, items: Iterable[Item]) -> None:
        """Put these first, in their order."""
        items = list(items)
        self.items.extendleft(reversed(items))
        self.chars += sum(map(size_of, items))

    def begin(self) -> None:
        """Another run says what comes now."""
        self._turns = float(AT_ONCE)

    def sending(self, item: Item) -> None:
        """This is about to be sent; what overwrites it has its turn later."""
        if overwrites(item):
            self._turns = max(0.0, self._turns_now() - 1)

    def _turns_now(self) -> float:
        """How many states may be sent by now."""
        now = self._clock()
        self._turns = min(AT_ONCE, self._turns + (now - self._counted_at) / OVERWRITES_EVERY_S)
        self._counted_at = now
        return self._turns

    def turn_in_s(self) -> float:
        """How long all of it should wait since the newest is likely to be overwritten by then; 0 if not at all."""
        turns = self._turns_now()
        if turns >= 1 or not self.items:
            return 0
        if not isinstance(self.items[-1], tuple):
            self.put_back(self.take())
            waits = len(self.items) <= _MOST_DISPLAYS and can_wait(self.items)
        else:
            waits = self._text_waits()
        return (1 - turns) * OVERWRITES_EVERY_S if waits else 0

    def _text_waits(self) -> bool:
        if not self._ends_overwriting():
            return False
        if self.chars >= FLUSH_CHARS // 2:
            self.put_back(self.take())
        return self.chars < FLUSH_CHARS // 2

    def _ends_overwriting(self) -> bool:
        """`print` writes a line in several pieces: the newest of them that goes back or on to a new line tells."""
        for at in range(1, len(self.items) + 1):
            item = self.items[-at]
            if not isinstance(item, tuple):
                return False
            if "\n" in item[1] or "\r" in item[1]:
                return is_overwriting(item[1])
        return False

    def drop_what_is_too_much(self) -> None:
        """The oldest goes first. What comms say is kept, or the two sides of a widget would never agree again."""
        if self.chars <= HELD_CHARS:
            return
        kept: list[Item] = []
        # To half, as what is kept is looked at each time.
        while self.chars > HELD_CHARS // 2 and self.items:
            item = self.items.popleft()
            size = size_of(item)
            if not size:
                kept.append(item)
            self.chars -= size
            self.dropped += size
        self.items.extendleft(reversed(kept))
