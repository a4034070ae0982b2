"""Where the time comes from."""

import time
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from; tests move their own."""

    def now(self) -> float:
        """Seconds since the epoch, never going back while this process lives."""


class SteadyClock:
    """The wall clock at the start, advanced by the monotonic one: setting the host's clock moves no deadline."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._offset + time.monotonic()
