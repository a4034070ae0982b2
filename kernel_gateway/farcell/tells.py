"""What runs are told, each until it was heard: in order, one on its way at a time. Pure but for the clock given.

One at a time, because what is lost on the way is sent again: a later one, having overtaken it, would be undone by it.
A widget that changes faster than the far side hears leaves values out, as a front end does while a kernel is busy.
"""

import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass

from farcell_protocol.ids import RunId, TellId
from farcell_protocol.messages.api import Tell
from farcell_protocol.messages.cells import CommMessage, Told

AGAIN_S = 2.0
"""What was not heard after this time is sent again."""

CROWDED = 16
"""With so many waiting, a widget's new value takes the place of an older one that nobody has seen."""

MOST_WAITING = 4096
MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Update:
    """The values of a widget that a message sets, whole."""

    comm: str
    keys: frozenset[str]


@dataclass
class _Waiting:
    tell: Tell
    update: Update | None
    sent: float | None = None


class Tells:
    """All that runs are told and that has not been heard. Each method returns what to send now."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._queues: dict[RunId, deque[_Waiting]] = {}
        self._bytes: dict[RunId, int] = {}

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._queues.values())

    def has_room(self, run: RunId, size_bytes: int) -> bool:
        """Whether one more may wait for this run. May be asked from any thread."""
        waiting = len(self._queues.get(run, ()))
        return not waiting or (waiting < MOST_WAITING and self._bytes.get(run, 0) + size_bytes <= MOST_BYTES)

    def add(self, tell: Tell, update: Update | None = None) -> list[Tell]:
        """One more; sent when all before it were heard."""
        queue = self._queues.setdefault(tell.run, deque())
        if update is not None and len(queue) >= CROWDED:
            self._leave_out(queue, update)
        queue.append(_Waiting(tell, update))
        self._bytes[tell.run] = sum(len(one.tell.payload) for one in queue)
        return self._send(queue[0]) if len(queue) == 1 else []

    def _leave_out(self, queue: deque[_Waiting], update: Update) -> None:
        """The values that `update` replaces, unless something else was said since: that may rely on them."""
        for older in list(reversed(queue)):
            if older.update is None or older.sent is not None:
                return
            if older.update.comm == update.comm and older.update.keys <= update.keys:
                queue.remove(older)
                return

    def heard(self, run: RunId, tells: Collection[TellId]) -> list[Tell]:
        """The far side has these; the next one may go."""
        queue = self._queues.get(run, deque())
        before = len(queue)
        while queue and queue[0].tell.tell in tells:
            queue.popleft()
        if len(queue) == before:
            return []
        if not queue:
            self.forget(run)
            return []
        return self._send(queue[0])

    def again(self) -> list[Tell]:
        """What has been on its way for too long."""
        heads = [queue[0] for queue in self._queues.values()]
        late = [head for head in heads if head.sent is None or self._clock() - head.sent >= AGAIN_S]
        return [tell for head in late for tell in self._send(head)]

    def opening(self, run: RunId) -> list[Tell]:
        """What was on its way to this run when the link broke."""
        queue = self._queues.get(run)
        return self._send(queue[0]) if queue else []

    def forget(self, run: RunId) -> None:
        """It has ended, or nobody here would see that it hears."""
        self._queues.pop(run, None)
        self._bytes.pop(run, None)

    def _send(self, head: _Waiting) -> list[Tell]:
        head.sent = self._clock()
        return [head.tell]


def update_in(told: Told) -> Update | None:
    """The values that a front end's message sets and does nothing else; None for every other message."""
    if not isinstance(told, CommMessage) or told.msg_type != "comm_msg" or told.buffers:
        return None
    data = told.content.get("data")
    if not isinstance(data, dict) or data.get("method") != "update" or not isinstance(data.get("state"), dict):
        return None
    return Update(str(told.content.get("comm_id", "")), frozenset(data["state"]))
