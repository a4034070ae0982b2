"""What front ends say to comms: handled one after the other, in the main thread if it is free, else beside it."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context

from farcell_protocol.messages.cells import CommMessage


class CommLine:
    """The line of messages that wait. Two loops handle them: the main thread's between cells, as a local kernel does,
    and one in a thread of its own while a cell runs, as ipykernel's subshells do; never both at once.

    `handle` must not raise. Each message is handled in a copy of the context that the last cell left.
    """

    def __init__(self, handle: Callable[[CommMessage], None]) -> None:
        self._handle = handle
        self._waiting: deque[CommMessage] = deque()
        self._lock = threading.Lock()
        self._handling = False
        self._main: asyncio.AbstractEventLoop
        self._beside: asyncio.AbstractEventLoop | None = None
        self._cell_runs = False
        self._context = Context()

    def start(self, main: asyncio.AbstractEventLoop) -> None:
        """`main` is the loop of the main thread, on which cells run."""
        self._main = main

    def put(self, message: CommMessage) -> None:
        """Add a message to the line; any thread. Returns at once. The loop comes to it before it comes to a cell that
        is put on the loop after it, which may so rely on it."""
        with self._lock:
            self._waiting.append(message)
        self._call_next()

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Within, a cell has the main thread."""
        self._cell_runs = True
        try:
            self._call_next()
            yield
        finally:
            self._context = copy_context()
            self._cell_runs = False
            self._call_next()

    def _call_next(self) -> None:
        if self._waiting:
            loop = self._loop_beside() if self._cell_runs else self._main
            loop.call_soon_threadsafe(self._come, loop)

    def _loop_beside(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._beside is None:
                self._beside = asyncio.new_event_loop()
                threading.Thread(target=_run_for_ever, args=[self._beside], name="farcell-comms", daemon=True).start()
            return self._beside

    def _come(self, loop: asyncio.AbstractEventLoop) -> None:
        """On one of the loops; called for each message at least once, so it may find nothing to do."""
        if (loop is self._main) == self._cell_runs:
            self._call_next()
        else:
            self._handle_next()

    def _handle_next(self) -> None:
        with self._lock:
            if self._handling or not self._waiting:
                return
            self._handling = True
            message = self._waiting.popleft()
        try:
            self._context.copy().run(self._handle, message)
        finally:
            self._handling = False
            self._call_next()


def _run_for_ever(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    while True:
        # These come out of tasks that a handler started; what handlers raise themselves has been said.
        with suppress(SystemExit, KeyboardInterrupt):
            loop.run_forever()
