"""`sys.stdout` and `sys.stderr` of a worker: text into the outbox, from any thread."""

import codecs
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from farcell_worker.outbox import Outbox
from farcell_worker.routes import StreamName

_PAUSE_S = 0.0005
"""Less than any process takes to start, say something and end."""


class FarStream(io.TextIOBase):
    """A text stream whose writes are appends; `flush` sends what waits.

    In a process that a user's code forked it writes to the captured descriptor instead, by the line, and the worker
    reads it there.
    """

    def __init__(self, name: StreamName, fd: int, outbox: Outbox) -> None:
        self._name: StreamName = name
        self._fd = fd
        self._outbox = outbox
        self._put = outbox.write
        self._drain: Callable[[], None] | None = None
        self._written_at = 0.0
        self._forked = False
        self._line = ""
        self._binary = _BinaryStream(self)

    @property
    def name(self) -> str:
        """As ipykernel's are called."""
        return self._name

    @property
    def buffer(self) -> io.RawIOBase:
        """Bytes written here are decoded as UTF-8."""
        return self._binary

    encoding = "UTF-8"

    def write(self, text: str, /) -> int:
        """Append; returns the number of characters."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self._forked:
            lines, newline, self._line = (self._line + text).rpartition("\n")
            self._write_descriptor(lines + newline)
        elif text:
            self._let_children_go_first()
            self._put(self._name, text)
        return len(text)

    def drain_with(self, drain: Callable[[], None]) -> None:
        """`drain` brings in what was written to the captured descriptors before it is called."""
        self._drain = drain

    def _let_children_go_first(self) -> None:
        """A child that wrote before this did so in a pause of this stream; a loop that prints has none, and no cost."""
        now = monotonic()
        if now - self._written_at > _PAUSE_S and self._drain is not None:
            self._drain()
        self._written_at = now

    def flush(self) -> None:
        """Send what waits, of both streams, in order; of a line that is being overwritten, ten states a second."""
        if self._forked:
            text, self._line = self._line, ""
            self._write_descriptor(text)
        else:
            self._outbox.flush_in_turn()

    def after_fork(self) -> None:
        """This is now a child of the worker: the outbox is its parent's."""
        self._forked = True

    def _write_descriptor(self, text: str) -> None:
        data = text.encode("utf-8", "backslashreplace")
        while data:
            data = data[os.write(self._fd, data) :]

    def fileno(self) -> int:
        """The captured descriptor, so that a child given this stream is heard too."""
        return self._fd

    def writable(self) -> bool:
        """Always."""
        return True

    def isatty(self) -> bool:
        """Never."""
        return False

    def close(self) -> None:
        """Does nothing: code that closes `sys.stdout` would silence every later cell."""


class _BinaryStream(io.RawIOBase):
    """`sys.stdout.buffer`: characters cut between two writes are joined."""

    def __init__(self, text: FarStream) -> None:
        self._text = text
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, data: Any, /) -> int:
        raw = bytes(data)
        self._text.write(self._decoder.decode(raw))
        return len(raw)

    def flush(self) -> None:
        self._text.flush()

    def fileno(self) -> int:
        return self._text.fileno()

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        pass


Streams = tuple[FarStream, FarStream]
"""Standard output, standard error."""


@contextmanager
def standing_in(streams: Streams) -> Iterator[None]:
    """Within, these are there instead of a `sys.stdout` or `sys.stderr` that cannot be flushed, such as None: before
    ipykernel shows anything it flushes both without looking, and would show nothing more of the session."""
    found = [(one, getattr(sys, one.name, None)) for one in streams]
    gone = [(one, instead) for one, instead in found if not callable(getattr(instead, "flush", None))]
    for one, _ in gone:
        setattr(sys, one.name, one)
    try:
        yield
    finally:
        for one, instead in gone:
            setattr(sys, one.name, instead)


def install_streams(outbox: Outbox) -> Streams:
    """Put both streams into `sys`; what they write waits in the outbox until it is connected."""
    out, err = FarStream("stdout", 1, outbox), FarStream("stderr", 2, outbox)
    sys.stdout, sys.stderr = out, err
    return out, err
