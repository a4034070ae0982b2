"""Counting presses of the stop button while a cell waits, so that none of its output is lost to one."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Presses:
    """A context in which SIGINT raises nothing but is counted. Contexts nest: one knows the presses of those around
    it and, at its end, tells them its own.

    Only the main thread may set a signal's handler; anywhere else presses arrive as before.
    """

    def __init__(self) -> None:
        self.count = 0
        self._before: Any = None

    def __enter__(self) -> "Presses":
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._press)
            if self._outer is not None:
                self.count += self._outer.count
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            if self._outer is not None:
                # Those that came since the handler was put back are counted there alone; there is time for one at most.
                self._outer.count = max(self._outer.count, self.count)

    @property
    def _outer(self) -> "Presses | None":
        outer = getattr(self._before, "__self__", None)
        return outer if isinstance(outer, Presses) else None

    def _press(self, signum: int, frame: FrameType | None) -> None:
        self.count += 1
