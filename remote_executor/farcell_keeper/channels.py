"""The keeper's ends of one attempt at a worker: its socket, and the pipe in which its supervisor says how it ended."""

import os
import socket
import struct
from collections.abc import Callable

import msgspec

from farcell_keeper import journal
from farcell_keeper.links import Link
from farcell_keeper.loop import READ, Loop
from farcell_protocol.errors import FramingError
from farcell_protocol.framing import MAX_RECORD_BYTES, RecordReader, unpack
from farcell_protocol.messages.work import ExitStatus

MAX_WORKER_RECORD_BYTES = MAX_RECORD_BYTES - 4096
"""Room for what is added when a frame is passed on to the agent."""

_CREDENTIALS = struct.Struct("3i")
_STATUS = msgspec.msgpack.Decoder(ExitStatus)


class WorkerLink(Link):
    """A link that can tell which process sent what was just received, in the keeper's own view of pids."""

    sender_pid = 0
    _ask = False

    def ask_for_sender(self, asked: bool) -> None:
        """Whether the kernel is to say who sends; it costs a little, so only until the `Hello`."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, int(asked))
        self._ask = asked

    def _receive(self, size: int) -> bytes:
        if not self._ask:
            return super()._receive(size)
        data, ancillary, _flags, _address = self._sock.recvmsg(size, socket.CMSG_SPACE(_CREDENTIALS.size))
        for level, kind, value in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                self.sender_pid = _CREDENTIALS.unpack(value[: _CREDENTIALS.size])[0]
        return data


class Channel:
    """`status` is what the supervisor said; `closed_status` whether nobody can say anything there any more."""

    def __init__(
        self,
        loop: Loop,
        *,
        received: Callable[[list[bytes]], None],
        closed: Callable[[str], None],
        reported: Callable[[], None],
    ) -> None:
        self._status_fd, self._status_end = os.pipe()
        try:
            ours, self._worker_end = socket.socketpair()
        except OSError:
            os.close(self._status_fd)
            os.close(self._status_end)
            raise
        self.link = WorkerLink(loop, ours, received=received, closed=closed, max_record_bytes=MAX_WORKER_RECORD_BYTES)
        self.link.ask_for_sender(True)
        self._loop = loop
        self._reported = reported
        os.set_blocking(self._status_fd, False)
        self._reader = RecordReader(4096)
        self.status: ExitStatus | None = None
        self.closed_status = False
        loop.watch(self._status_fd, READ, self._status_ready)

    def take_child_ends(self) -> list[int]:
        """The worker's end of the socket and the status pipe's writing end: once, and then the caller's to close."""
        fds = [self._worker_end.detach(), self._status_end]
        self._status_end = -1
        return fds

    def close(self) -> None:
        """Safe to repeat; a worker that still lives sees its socket close and leaves."""
        self.link.close()
        self._worker_end.close()
        if self._status_end >= 0:
            os.close(self._status_end)
            self._status_end = -1
        self._close_status()

    def _close_status(self) -> None:
        if not self.closed_status:
            self.closed_status = True
            self._loop.forget(self._status_fd)
            os.close(self._status_fd)

    def _status_ready(self, _mask: int) -> None:
        data = os.read(self._status_fd, 4096)
        try:
            for body in self._reader.receive_bytes(data):
                self.status = unpack(body, _STATUS, who="a supervisor")
        except FramingError as err:
            journal.note(str(err))
            data = b""
        if not data or self.status is not None:
            self._close_status()
            self._reported()
