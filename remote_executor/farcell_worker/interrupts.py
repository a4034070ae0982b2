"""When SIGINT may become a KeyboardInterrupt: while code of a user's runs, and never in the middle of a message.

The keeper sends SIGINT to the main process and its group. Python calls `on_signal` in the main thread between two
bytecodes, so four answers are possible: nothing (idle), now, as soon as the message is out, or as
soon as code of the user's begins.
"""

import asyncio
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

from farcell_protocol.messages.work import NUDGE

_AGAIN_AFTER_S = 0.01


class Interrupts:
    """The SIGINT rule of one worker. All methods but `hold` and `release` belong to the main thread."""

    def __init__(self) -> None:
        self.arrived = False
        """SIGINT came since the last `begin`."""
        self._runs = 0
        self._open = False
        self._armed = False
        self._holds = 0
        self._pending = False
        self._awaited: asyncio.Task[Any] | None = None
        self._code_of_run: CodeType | None = None
        self._main = threading.main_thread().ident

    def begin(self) -> None:
        """A new run, executed by the current task: until `end` SIGINT is for it, kept until its code runs if need be.

        The signal is taken back from a cell that had taken it.
        """
        self.arrived = self._pending = self._armed = False
        self._code_of_run = _code_of(asyncio.current_task())
        self._runs += 1
        signal.signal(signal.SIGINT, self.on_signal)
        self._open = True

    def end(self) -> None:
        """The run is over: from here SIGINT is for nobody."""
        self._open = self._armed = self._pending = False

    def watch_for_lost_ones(self) -> None:
        """From here, a nudge ends a call that began before an interrupt was seen, and one that Python swallowed is
        sent again.

        Raised in a finaliser or in a hook around a fork, it is reported as unraisable and forgotten; a fork takes
        long enough for that to happen often.
        """
        signal.signal(NUDGE, _nothing)
        # The kernel may be interrupted between making a cell's coroutine and awaiting it.
        warnings.filterwarnings("ignore", r"coroutine '\S*run_cell_async' was never awaited", RuntimeWarning)
        report = sys.unraisablehook

        def again(swallowed: "sys.UnraisableHookArgs") -> None:
            if self._armed and isinstance(swallowed.exc_value, KeyboardInterrupt):
                threading.Timer(_AGAIN_AFTER_S, self._send_again, [self._runs]).start()
            else:
                report(swallowed)

        sys.unraisablehook = again

    def _send_again(self, run: int) -> None:
        main = threading.main_thread().ident
        assert main is not None
        if self._armed and self._runs == run:
            # To the main thread by name: only there does it end a call that waits.
            signal.pthread_kill(main, signal.SIGINT)

    def arm(self) -> None:
        """From here, SIGINT raises, and one that came too early does now. Followed by `disarm` in a `finally`."""
        self._armed = True
        self._deliver_pending()

    def disarm(self) -> None:
        """From here, SIGINT waits for the next `arm`, or for nobody after the last one of a run."""
        self._armed = False

    @contextmanager
    def armed(self) -> Iterator[None]:
        """SIGINT raises KeyboardInterrupt within; it may also come out of the beginning and the very end."""
        try:
            self.arm()
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
        if self._pending:
            self._deliver_pending()

    @contextmanager
    def cancelling(self, task: "asyncio.Task[Any]") -> Iterator[None]:
        """While this awaits, SIGINT cancels it if the loop is waiting or busy with something else."""
        self._awaited = task
        try:
            yield
        finally:
            self._awaited = None
            if not task.done():
                # We were interrupted before we came to wait for it: it must not go on as if nobody had.
                task.cancel()

    def on_signal(self, _signum: int, frame: FrameType | None) -> None:
        """The signal handler."""
        if not self._open:
            return
        self.arrived = self._pending = True
        self._deliver_pending(frame)

    def _deliver_pending(self, frame: FrameType | None = None) -> None:
        if not (self._pending and self._armed) or self._holds:
            return
        if self._in_code_of_run(frame or sys._getframe()):
            self._pending = False
            raise KeyboardInterrupt
        task = self._awaited
        if task is not None and not task.done():
            self._pending = False
            # Writing to the loop's own pipe is what wakes it; `call_soon` would let it sleep on.
            task.get_loop().call_soon_threadsafe(task.cancel)
        # Else the loop is between two steps of the run, where an exception would tear the loop: the next `arm` raises.

    def _in_code_of_run(self, frame: FrameType | None) -> bool:
        """Whether the run is on the stack, and not just the loop with something else."""
        codes = {self._code_of_run, _code_of(self._awaited)} - {None}
        while frame is not None:
            if frame.f_code in codes:
                return True
            frame = frame.f_back
        return False


def _nothing(_signum: int, _frame: FrameType | None) -> None:
    """A handler is what it takes for a signal to end a call; Python then looks for other signals too."""


def _code_of(task: "asyncio.Task[Any] | None") -> CodeType | None:
    """What a task executes, as its frames on the stack are known by."""
    code: CodeType | None = getattr(task.get_coro(), "cr_code", None) if task is not None else None
    return code
