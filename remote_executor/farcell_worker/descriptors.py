"""Open files of this process: which they are, handing two over, and closing the rest."""

import array
import os
import socket
from collections.abc import Collection, Iterator
from contextlib import suppress

from farcell_protocol.framing import PREFIX_BYTES, RecordReader

_STANDARD = (0, 1, 2)


def open_descriptors() -> list[int]:
    """The descriptors open now, in order."""
    folder = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY)
    try:
        return sorted(int(name) for name in os.listdir(folder) if int(name) != folder)
    finally:
        os.close(folder)


def descriptor_target(fd: int) -> str:
    """What a descriptor is, as /proc says it ("socket:[1234]"); empty for one that is gone."""
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""


def close_all_but(keep: Collection[int]) -> None:
    """Close every descriptor but these and the three standard ones."""
    for fd in open_descriptors():
        if fd not in keep and fd not in _STANDARD:
            with suppress(OSError):
                os.close(fd)


def receive_with_descriptors(sock: socket.socket) -> Iterator[tuple[bytes, list[int]]]:
    """Each record from `sock` with the two descriptors that came with it, until the peer closes.

    A record that came without two of them is given an empty list.
    """
    reader = RecordReader()
    waiting: list[int] = []
    size = socket.CMSG_SPACE(8 * array.array("i").itemsize)
    while True:
        data, ancillary, _flags, _address = sock.recvmsg(65536, size, socket.MSG_CMSG_CLOEXEC)
        if not data:
            return
        for level, kind, raw in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(raw[: len(raw) - len(raw) % fds.itemsize])
                waiting.extend(fds)
        for body in reader.receive_bytes(data):
            pair = waiting[:2] if len(waiting) >= 2 else []
            del waiting[: len(pair)]
            yield body, pair


def read_one_record(fd: int) -> bytes:
    """Exactly one record from a stream, leaving what follows unread; empty at its end."""
    prefix = _read_exactly(fd, PREFIX_BYTES)
    return _read_exactly(fd, int.from_bytes(prefix, "big")) if prefix else b""


def _read_exactly(fd: int, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = os.read(fd, size - len(data))
        if not piece:
            return b""
        data += piece
    return bytes(data)
