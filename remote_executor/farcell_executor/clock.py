"""Where the time comes from."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from; tests move their own."""

    def now(self) -> float:
        """Seconds since the epoch, never going back while this process lives."""

    async def sleep(self, seconds: float) -> None:
        """Return when this clock has gone on by so much."""


class SteadyClock:
    """The wall clock at the start, advanced by the monotonic one: setting the host's clock moves no deadline.

    `not_before` is when something happened that still goes on: were the clock set back since, an idle session, or
    the time limit of a run, would last that much longer.
    """

    def __init__(self, not_before: float = 0.0) -> None:
        self._offset = max(time.time(), not_before) - time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._offset + time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return so many seconds from now."""
        await asyncio.sleep(seconds)
