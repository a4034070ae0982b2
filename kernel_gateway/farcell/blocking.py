"""The one background event loop of this process, for callers who may not await.

It exists while somebody holds it: the first `hold` starts its thread, the last `release` ends it.
"""

import asyncio
import concurrent.futures
import contextlib
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """An event loop in a daemon thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        # A daemon: a kernel that leaves without closing must not hang on us.
        self._thread = threading.Thread(target=self._work, name="farcell", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    @property
    def is_mine(self) -> bool:
        """Whether the caller is this very thread, which must never wait for itself."""
        return threading.current_thread() is self._thread

    def soon(self, what: Callable[..., object], *arguments: object) -> None:
        """Call `what` in the loop's thread, without waiting; nothing once the loop has ended."""
        with contextlib.suppress(RuntimeError):  # closed
            self._loop.call_soon_threadsafe(what, *arguments)

    def run(self, work: Coroutine[Any, Any, T], timeout_s: float | None = None) -> T:
        """Wait for `work` in the loop's thread. A KeyboardInterrupt here cancels it there.

        Raises:
            TimeoutError: it took longer than `timeout_s`; it has been cancelled.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout_s)
        except concurrent.futures.CancelledError:
            raise
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """End the loop and wait for its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        if not self.is_mine:
            self._thread.join()


_lock = threading.Lock()
_current: LoopThread | None = None
_holders = 0
_pid = 0


def hold() -> LoopThread:
    """The process's loop, started if need be. Call `release` once for each call."""
    global _current, _holders, _pid
    with _lock:
        if _current is None or _pid != os.getpid():
            # A forked child has the object but not the thread.
            _current, _holders, _pid = LoopThread(), 0, os.getpid()
        _holders += 1
        return _current


def release(loop: LoopThread) -> None:
    """Give a hold back; the last one ends the thread. A loop inherited by a fork is left alone."""
    global _current, _holders
    with _lock:
        if loop is not _current or _pid != os.getpid():
            return
        _holders -= 1
        if _holders == 0:
            _current = None
            loop.stop()
