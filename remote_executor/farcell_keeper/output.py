"""What a child process writes on its standard error: copied to the log, and its end kept for explanations."""

import os

from farcell_keeper import journal
from farcell_keeper.loop import READ, Loop

_KEPT_BYTES = 4096
_SAID_LINES = 8


class Tail:
    """Reads a pipe until its last writer is gone; `writer_fd` is for the child, and ours to close after."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._fd, self.writer_fd = os.pipe()
        os.set_blocking(self._fd, False)
        self._last = b""
        self._open = True
        loop.watch(self._fd, READ, self._readable)

    def close_writer(self) -> None:
        """Close our copy of the child's end. Safe to repeat."""
        if self.writer_fd >= 0:
            os.close(self.writer_fd)
            self.writer_fd = -1

    def said(self) -> str:
        """The last lines that came, what is in the pipe now included."""
        while self._open and self._read():
            pass
        return "\n".join(self._last.decode(errors="replace").strip().splitlines()[-_SAID_LINES:])

    def _readable(self, _mask: int) -> None:
        self._read()

    def _read(self) -> bool:
        try:
            data = os.read(self._fd, 65536)
        except BlockingIOError:
            return False
        if not data:
            self._open = False
            self._loop.forget(self._fd)
            os.close(self._fd)
            return False
        journal.copy(data)
        self._last = (self._last + data)[-_KEPT_BYTES:]
        return True
