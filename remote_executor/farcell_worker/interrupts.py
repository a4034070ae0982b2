"""When SIGINT may become a KeyboardInterrupt: while code of a user's runs, and never in the middle of a message.

The keeper sends SIGINT to the main process and its group. Python calls `on_signal` in the main thread between two
bytecodes, so four answers are possible: nothing (idle), now, as soon as the message is out, or as
soon as code of the user's begins.
"""

import asyncio
import inspect
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
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
        self._within: CodeType | None = None
        self._main = threading.main_thread().ident
        self._handler = 0
        self._stopped_handler = 0
        """The number of the handler that somebody wants interrupted: not one that comes after it."""

    @contextmanager
    def of_handler(self, within: CodeType) -> Iterator[None]:
        """Code of the user's that no run is of, in the main thread between runs: `interrupt_handler` raises
        KeyboardInterrupt while `within` is on the stack. It may come out of the very end of it."""
        if self._open:
            yield
            return
        self.arrived = self._pending = False
        self._runs += 1
        self._handler = self._runs
        try:
            with self.armed(within):
                yield
        finally:
            self._handler = 0
            self._pending = False

    def interrupt_handler(self) -> None:
        """Interrupt what is within `of_handler` now, if anything is; any thread."""
        handler = self._stopped_handler = self._handler
        if handler:
            self._nudge()
            self._insist_while(lambda: self._stopped_handler == handler == self._handler)

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
        raised again.

        Raised in a finaliser or in a hook around a fork, it is reported as unraisable and forgotten; a fork takes
        long enough for that to happen often.
        """
        signal.signal(NUDGE, self._on_nudge)
        report = sys.unraisablehook

        def again(swallowed: "sys.UnraisableHookArgs") -> None:
            if self._armed and isinstance(swallowed.exc_value, KeyboardInterrupt):
                self._holds += 1  # what is raised in here is swallowed as well
                self._pending = True
                run = self._runs
                self._insist_while(lambda: self._pending and self._armed and self._runs == run)
                self._holds -= 1
            else:
                report(swallowed)

        sys.unraisablehook = again

    def _insist_while(self, is_wanted: Callable[[], bool]) -> None:
        """Nudge again and again: one that falls just before a call that waits is seen after that call only."""

        def insist() -> None:
            while True:
                time.sleep(_AGAIN_AFTER_S)
                if not is_wanted():
                    return
                self._nudge()

        threading.Thread(target=insist, daemon=True).start()

    def _nudge(self) -> None:
        # To the main thread by name: only there does it end a call that waits.
        if self._main is not None:
            signal.pthread_kill(self._main, NUDGE)

    def arm(self, within: CodeType | None = None) -> None:
        """From here, SIGINT raises while `within` is on the stack (or else the run's task), and one that came too early
        does now or when `reached` is called there. Followed by `disarm` in a `finally`."""
        self._within = within or self._code_of_run
        self._armed = True
        self._deliver_pending()

    def reached(self) -> None:
        """Code of the user's begins here: raises what came too early."""
        self._deliver_pending()

    def disarm(self) -> None:
        """From here, SIGINT waits for the next `arm`, or for nobody after the last one of a run."""
        self._armed = False

    @contextmanager
    def armed(self, within: CodeType | None = None) -> Iterator[None]:
        """SIGINT raises KeyboardInterrupt in this block; it may also come out of the beginning and the very end."""
        try:
            self.arm(within)
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

    def _on_nudge(self, _signum: int, frame: FrameType | None) -> None:
        # That there is a handler is what makes a signal end a call; Python then looks for other signals too.
        if self._stopped_handler and self._stopped_handler == self._handler:
            self._stopped_handler = 0
            self.arrived = self._pending = True
        self._deliver_pending(frame)

    def _deliver_pending(self, frame: FrameType | None = None) -> None:
        if not (self._pending and self._armed) or self._holds:
            return
        if self._is_within(frame or sys._getframe()):
            self._pending = False
            raise KeyboardInterrupt
        task = self._awaited
        if task is not None and _waits(task):
            self._pending = False
            # At once: the task may be the next that the loop comes to, and then not let go of it again. Writing to the
            # loop's own pipe is what wakes it.
            task.cancel()
            task.get_loop().call_soon_threadsafe(_nothing)
        # Else this is the kernel's or the loop's code before or after the user's: an exception would tear the loop, or
        # be swallowed by the kernel. `reached` or the next `arm` raises.

    def _is_within(self, frame: FrameType | None) -> bool:
        while frame is not None:
            if frame.f_code is self._within:
                return True
            frame = frame.f_back
        return False


def _nothing() -> None:
    """A loop that was woken finds this to do."""


def _waits(task: "asyncio.Task[Any]") -> bool:
    """Whether a task has begun and is neither done nor what is being executed."""
    coroutine = task.get_coro()
    begun = not (inspect.iscoroutine(coroutine) and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED)
    return begun and not task.done() and asyncio.current_task(task.get_loop()) is not task


def _code_of(task: "asyncio.Task[Any] | None") -> CodeType | None:
    """What a task executes, as its frames on the stack are known by."""
    code: CodeType | None = getattr(task.get_coro(), "cr_code", None) if task is not None else None
    return code
