"""When an executor that nobody needs any more may leave."""

import asyncio
from collections.abc import Callable

from farcell_executor.clock import Clock


class IdleWatch:
    """Counts the time since anything last happened. `is_busy` says whether anything lives: then no time passes."""

    def __init__(self, clock: Clock, idle_exit_s: float | None, is_busy: Callable[[], bool]) -> None:
        self._clock = clock
        self._idle_exit_s = idle_exit_s
        self._is_busy = is_busy
        self._since = clock.now()

    def touch(self) -> None:
        """Something happened just now."""
        self._since = self._clock.now()

    async def wait(self) -> None:
        """Return once nothing has happened for the idle time; never, without one."""
        while (left := self.left_s()) is None or left > 0:
            if left is None:
                await asyncio.Event().wait()
            else:
                await self._clock.sleep(left)

    def left_s(self) -> float | None:
        """Seconds until it may leave if nothing happens; None without an idle time."""
        if self._idle_exit_s is None:
            return None
        if self._is_busy():
            self.touch()
            return self._idle_exit_s
        return self._since + self._idle_exit_s - self._clock.now()
