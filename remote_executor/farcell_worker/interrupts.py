"""When SIGINT may become a KeyboardInterrupt: while code of a user's runs, and never in the middle of a message.

The keeper sends SIGINT to the main process. Python calls `on_signal` in the main thread between two
bytecodes, so three answers are possible: nothing (idle), now, or as soon as the message is out.
"""

import asyncio
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_AGAIN_AFTER_S = 0.01


class Interrupts:
    """The SIGINT rule of one worker. All methods but `hold` and `release` belong to the main thread."""

    def __init__(self) -> None:
        self.arrived = False
        """SIGINT came since the last `begin`."""
        self._armed = False
        self._holds = 0
        self._pending = False
        self._awaited: asyncio.Task[Any] | None = None
        self._main = threading.main_thread().ident

    def begin(self) -> None:
        """A new run: forget what came before, and take back the signal if a cell had taken it."""
        self.arrived = self._pending = self._armed = False
        signal.signal(signal.SIGINT, self.on_signal)

    def watch_for_lost_ones(self) -> None:
        """From here, an interrupt that Python swallowed is sent again.

        Raised in a finaliser or in a hook around a fork, it is reported as unraisable and forgotten; a fork takes
        long enough for that to happen often.
        """
        report = sys.unraisablehook

        def again(swallowed: "sys.UnraisableHookArgs") -> None:
            if self._armed and isinstance(swallowed.exc_value, KeyboardInterrupt):
                # To the main thread by name: only there does it end a call that waits.
                main = threading.main_thread().ident
                threading.Timer(_AGAIN_AFTER_S, signal.pthread_kill, [main, signal.SIGINT]).start()
            else:
                report(swallowed)

        sys.unraisablehook = again

    def arm(self) -> None:
        """From here, SIGINT raises. Followed by `disarm` in a `finally`."""
        self._armed = True

    def disarm(self) -> None:
        """From here, SIGINT does nothing. One that came before is forgotten."""
        self._armed = self._pending = False

    @contextmanager
    def armed(self) -> Iterator[None]:
        """SIGINT raises KeyboardInterrupt within; it may also come out of the very end of the block."""
        self.arm()
        try:
            yield
        finally:
            self.disarm()

    def hold(self) -> None:
        """Put interrupts off until `release`; calls nest. Free of cost on other threads, which get no signals."""
        if threading.get_ident() == self._main:
            self._holds += 1

    def release(self) -> None:
        """The other end of `hold`; raises what was put off."""
        if threading.get_ident() != self._main:
            return
        self._holds -= 1
        if self._pending and not self._holds:
            self._pending = False
            self._deliver()

    @contextmanager
    def cancelling(self, task: "asyncio.Task[Any]") -> Iterator[None]:
        """While this awaits, SIGINT cancels it if the loop is waiting or busy with something else."""
        self._awaited = task
        try:
            yield
        finally:
            self._awaited = None

    def on_signal(self, _signum: int, _frame: object) -> None:
        """The signal handler."""
        if not self._armed:
            return
        self.arrived = True
        if self._holds:
            self._pending = True
            return
        self._deliver()

    def _deliver(self) -> None:
        if not self._armed:
            return
        task = self._awaited
        if task is not None and not task.done() and asyncio.current_task(task.get_loop()) is not task:
            # Writing to the loop's own pipe is what wakes it; `call_soon` would let it sleep on.
            task.get_loop().call_soon_threadsafe(task.cancel)
            return
        raise KeyboardInterrupt
