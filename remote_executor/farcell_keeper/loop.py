"""The keeper's one loop: descriptors, timers and signals, in one thread, with failures confined."""

import heapq
import itertools
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType

from farcell_keeper import journal

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE


@dataclass(order=True)
class Timer:
    """A callback that is due at a time; `cancel` is safe at any moment and any number of times."""

    due: float
    order: int
    callback: Callable[[], None] | None = field(compare=False)

    def cancel(self) -> None:
        """It will not be called any more."""
        self.callback = None


class Loop:
    """Calls back whoever waits for a descriptor, a time or a signal.

    A callback that raises is logged and, if it watched a descriptor, no longer called: one broken
    connection must neither end the keeper nor make it spin.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._selector = selectors.DefaultSelector()
        self._timers: list[Timer] = []
        self._order = itertools.count()
        self._leaving = False

    def watch(self, fd: int, events: int, callback: Callable[[int], None]) -> None:
        """Call back with the ready events whenever `fd` has some of `events`; replaces what was said before."""
        if fd in self._selector.get_map():
            self._selector.modify(fd, events, callback)
        else:
            self._selector.register(fd, events, callback)

    def forget(self, fd: int) -> None:
        """Stop watching; must precede closing the descriptor. Safe to repeat."""
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def after(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call back once, `delay_s` seconds from now."""
        timer = Timer(self.clock() + max(0.0, delay_s), next(self._order), callback)
        heapq.heappush(self._timers, timer)
        return timer

    def leave(self) -> None:
        """Make `run` return after the callbacks now due."""
        self._leaving = True

    def run(self) -> None:
        """Until `leave` is called."""
        while not self._leaving:
            for key, mask in self._selector.select(self._patience()):
                # An earlier callback of this round may have closed the descriptor, and even opened
                # another under its number: only what is registered now may be called.
                if self._selector.get_map().get(key.fd) == key:
                    self._call(key, mask)
            self._call_timers()

    def _call(self, key: selectors.SelectorKey, mask: int) -> None:
        try:
            key.data(mask)
        except Exception:
            journal.failure(f"serving descriptor {key.fd}")
            self.forget(key.fd)

    def _patience(self) -> float | None:
        while self._timers and self._timers[0].callback is None:
            heapq.heappop(self._timers)
        if not self._timers:
            return None
        return max(0.0, self._timers[0].due - self.clock())

    def _call_timers(self) -> None:
        now = self.clock()
        while self._timers and self._timers[0].due <= now:
            callback = heapq.heappop(self._timers).callback
            if callback is None:
                continue
            try:
                callback()
            except Exception:
                journal.failure("calling a timer")


def watch_signals(loop: Loop, callback: Callable[[set[int]], None], numbers: list[int]) -> None:
    """Have `callback` called from the loop with the signals that arrived.

    Handlers, not SIG_IGN: what is ignored stays ignored in every program a process starts, and a
    worker's Python would then never raise KeyboardInterrupt.
    """
    ours, wakeup = socket.socketpair()
    ours.setblocking(False)
    wakeup.setblocking(False)
    signal.set_wakeup_fd(wakeup.detach(), warn_on_full_buffer=False)
    for number in numbers:
        signal.signal(number, _noted_by_the_wakeup_descriptor)

    def readable(_mask: int) -> None:
        callback(set(os.read(ours.fileno(), 4096)))

    loop.watch(ours.fileno(), READ, readable)
    _kept_open.append(ours)


def _noted_by_the_wakeup_descriptor(_number: int, _frame: FrameType | None) -> None:
    pass


_kept_open: list[socket.socket] = []
