"""A byte-stream socket that carries records: never blocks, reports what came, sends what it can."""

import array
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from farcell_keeper import journal
from farcell_keeper.loop import READ, WRITE, Loop
from farcell_protocol.errors import FramingError
from farcell_protocol.framing import MAX_RECORD_BYTES, RecordReader

_READ_BYTES = 64 * 2**10
_DRAIN_BYTES = 4 * 2**20
_READS_PER_TURN = 4
"""After this many full reads the others have their turn."""


@dataclass
class _Outgoing:
    data: memoryview
    fds: list[int] = field(default_factory=list)


class Link:
    """One end of a connection.

    `received` gets the whole records of one read; `closed` is told once why the link ended, unless
    we closed it; `drained` is called when everything that had to wait has left. A link whose
    `received` raises is closed: its peer alone suffers.
    """

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        *,
        received: Callable[[list[bytes]], None],
        closed: Callable[[str], None],
        drained: Callable[[], None] | None = None,
        max_record_bytes: int = MAX_RECORD_BYTES,
        max_backlog_bytes: int | None = None,
    ) -> None:
        sock.setblocking(False)
        self._loop = loop
        self._sock = sock
        self._received = received
        self._closed = closed
        self._drained = drained
        self._reader = RecordReader(max_record_bytes)
        self._max_backlog = max_backlog_bytes
        self._out: deque[_Outgoing] = deque()
        self.backlog_bytes = 0
        self._waiting = False
        self.open = True
        self.broken = ""
        """What made the stream unreadable; a peer that merely left has not broken it."""
        loop.watch(sock.fileno(), READ, self._ready)

    def send(self, record: bytes | bytearray, fds: Sequence[int] = ()) -> None:
        """Send a record now or as soon as there is room. `fds` travel with its first byte; they are ours
        from here on, and closed once sent."""
        if not self.open:
            _close_all(fds)
            return
        self._out.append(_Outgoing(memoryview(record), list(fds)))
        self.backlog_bytes += len(record)
        if len(self._out) == 1:
            self._flush()
        if self.open and self._max_backlog is not None and self.backlog_bytes > self._max_backlog:
            self._end(f"it does not read: {self.backlog_bytes:,} bytes are waiting for it")

    def close(self) -> None:
        """Safe to repeat. What has not left yet is lost."""
        if not self.open:
            return
        self.open = False
        self._loop.forget(self._sock.fileno())
        self._sock.close()
        self._drop_backlog()

    def _drop_backlog(self) -> None:
        for outgoing in self._out:
            _close_all(outgoing.fds)
        self._out.clear()
        self.backlog_bytes = 0

    def drain(self) -> None:
        """Take in what has arrived, until the end of the stream or until nothing more is there.

        At most what the buffers of a socket can hold: somebody may be writing all the time.
        """
        taken = 0
        while self.open and taken < _DRAIN_BYTES:
            got = self._read_once()
            if not got:
                return
            taken += got

    def _ready(self, mask: int) -> None:
        if mask & WRITE:
            self._flush()
            if self._drained is not None and self.open and not self._out:
                self._drained()
        if mask & READ:
            for _ in range(_READS_PER_TURN):
                if not self.open or self._read_once() < _READ_BYTES:
                    return

    def _read_once(self) -> int:
        """The number of bytes that came; none when there is nothing, or nothing more ever."""
        try:
            data = self._receive(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as err:
            self._end(str(err))
            return 0
        if not data:
            torn = self._reader.pending_bytes
            self._end(f"closed in the middle of a record, after {torn:,} bytes of it" if torn else "closed")
            return 0
        self._take(data)
        return len(data)

    def _receive(self, size: int) -> bytes:
        return self._sock.recv(size)

    def _take(self, data: bytes) -> None:
        bodies: list[bytes] = []
        try:
            bodies.extend(self._reader.receive_bytes(data))
        except FramingError as err:
            self.broken = str(err)
        try:
            if bodies:
                self._received(bodies)
        except Exception as err:
            journal.failure("handling what a connection sent")
            self.broken = self.broken or f"{type(err).__name__}: {err}"
        if self.broken:
            self._end(self.broken)

    def _flush(self) -> None:
        try:
            while self._out:
                self._send_some(self._out[0])
        except (BlockingIOError, InterruptedError):
            self._want_to_write(True)
            return
        except OSError as err:
            # Reading comes first: what the peer said before it left is still to be read.
            self._drop_backlog()
            self.drain()
            self._end(str(err))
            return
        self._want_to_write(False)

    def _want_to_write(self, waiting: bool) -> None:
        if waiting != self._waiting:
            self._waiting = waiting
            self._loop.watch(self._sock.fileno(), READ | WRITE if waiting else READ, self._ready)

    def _send_some(self, outgoing: _Outgoing) -> None:
        if outgoing.fds:
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", outgoing.fds))
            sent = self._sock.sendmsg([outgoing.data], [rights])
            _close_all(outgoing.fds)
            outgoing.fds = []
        else:
            sent = self._sock.send(outgoing.data)
        self.backlog_bytes -= sent
        outgoing.data = outgoing.data[sent:]
        if not outgoing.data:
            self._out.popleft()

    def _end(self, why: str) -> None:
        if self.open:
            self.close()
            self._closed(why)


def _close_all(fds: Sequence[int]) -> None:
    for fd in fds:
        try:
            os.close(fd)
        except OSError:
            journal.failure("closing a descriptor")
