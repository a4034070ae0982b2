"""Messages waiting to be sent, bounded by their bytes; stops and interrupts overtake what may be overtaken. Pure."""

from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from farcell_protocol.messages.keeping import Execute, Frames, SendInterrupt, Stop, Tell

M = TypeVar("M")

LIMIT_BYTES = 8 * 2**20
_SMALL_BYTES = 256  # what a message without a payload is counted as


def size_of(message: Any) -> int:
    """About how many bytes a message holds."""
    if isinstance(message, Execute | Tell):
        return _SMALL_BYTES + len(message.payload)
    if isinstance(message, Frames):
        return _SMALL_BYTES + sum(len(memoryview(frame)) for frame in message.frames)
    return _SMALL_BYTES


class Outbox(Generic[M]):
    """A queue in which a `Stop` or `SendInterrupt` goes before everything but what is said of the same worker.

    An interrupt that overtook its own `Execute` would find nothing to interrupt, and a stop before its
    own `Launch` would leave a worker nobody wants.
    """

    def __init__(self, limit_bytes: int = LIMIT_BYTES, measure: Callable[[M], int] = size_of) -> None:
        self._measure = measure
        self._limit_bytes = limit_bytes
        self._waiting: deque[M] = deque()
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether whoever adds should wait. One message over the limit is let in, so any size can pass."""
        return self.size_bytes >= self._limit_bytes

    def push(self, message: M) -> None:
        """Add a message at its place."""
        self.size_bytes += self._measure(message)
        if isinstance(message, Stop | SendInterrupt):
            self._waiting.insert(self._place(message.worker), message)
        else:
            self._waiting.append(message)

    def pop(self) -> M:
        """The next message to send."""
        message = self._waiting.popleft()
        self.size_bytes -= self._measure(message)
        return message

    def _place(self, worker: str) -> int:
        after = 0
        for index, message in enumerate(self._waiting):
            # Controls keep their order among themselves, whatever their workers.
            if isinstance(message, Stop | SendInterrupt) or getattr(message, "worker", None) == worker:
                after = index + 1
        return after
