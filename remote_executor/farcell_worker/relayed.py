"""Interrupts of a worker whose kernel is another process: passed on instead of raised."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from farcell_worker.interrupts import Interrupts


class RelayedInterrupts(Interrupts):
    """As its base, but for what happens within `relayed`."""

    def __init__(self) -> None:
        super().__init__()
        self._relay: Callable[[], None] | None = None

    @contextmanager
    def relayed(self, to: Callable[[], None]) -> Iterator[None]:
        """Within, SIGINT calls `to` between two bytecodes of the main thread, and raises nothing; one that came too
        early does so now."""
        self._relay = to
        try:
            if self._pending:
                self._pending = False
                to()
            yield
        finally:
            self._relay = None

    def on_signal(self, signum: int, frame: FrameType | None) -> None:
        """The signal handler."""
        if self._relay is None:
            super().on_signal(signum, frame)
            return
        self.arrived = True
        self._relay()
