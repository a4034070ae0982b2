"""Descriptors 1 and 2, caught: what children, C libraries and forked processes write becomes output too."""

import codecs
import ctypes
import fcntl
import os
import select
import sys
import termios
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from farcell_worker.routes import StreamName

_READ_BYTES = 64 * 2**10


class TakesText(Protocol):
    """What captured text is given to, on any thread: an `Outbox`, for one."""

    def write(self, stream: StreamName, text: str) -> object:
        """Take it."""


@dataclass(frozen=True)
class _Caught:
    stream: StreamName
    fd: int
    kept_open: int  # a writing end, so that code which closes descriptor 1 does not end the pipe
    decoder: codecs.IncrementalDecoder


class Capture:
    """Pipes under descriptors 1 and 2, and a daemon thread that reads them into `outbox`.

    `drain` brings in, on the caller's thread, all that was written before the call.
    """

    def __init__(self, outbox: TakesText) -> None:
        self._outbox = outbox
        self._lock = threading.RLock()
        self._caught = [self._catch("stdout", 1), self._catch("stderr", 2)]
        self._flush_c = _flush_of_c()
        threading.Thread(target=self._read_on, name="farcell-capture", daemon=True).start()

    def drain(self) -> None:
        """Read what is in the pipes now, with what C's `stdout` still buffers."""
        self._flush_c()
        with self._lock:
            for caught in self._caught:
                # Counted beforehand, or a child that never stops writing would hold the cell's end up for ever.
                left = _waiting_bytes(caught.fd)
                while left > 0:
                    left -= self._read(caught) or left

    def after_fork(self) -> None:
        """In a child: the reading ends are the parent's, which would otherwise never see the end."""
        self._lock = threading.RLock()
        for caught in self._caught:
            os.close(caught.fd)
            os.close(caught.kept_open)
        self._caught = []

    @staticmethod
    def _catch(stream: StreamName, fd: int) -> _Caught:
        read_end, write_end = os.pipe()
        os.dup2(write_end, fd, inheritable=True)
        os.set_blocking(read_end, False)
        return _Caught(stream, read_end, write_end, codecs.getincrementaldecoder("utf-8")("replace"))

    def _read_on(self) -> None:
        poll = select.poll()
        for caught in self._caught:
            poll.register(caught.fd, select.POLLIN)
        while poll.poll():
            with self._lock:
                for caught in self._caught:
                    self._read(caught)

    def _read(self, caught: _Caught) -> int:
        try:
            data = os.read(caught.fd, _READ_BYTES)
        except BlockingIOError:
            return 0
        text = caught.decoder.decode(data)
        if text:
            self._outbox.write(caught.stream, text)
        return len(data)


def _waiting_bytes(fd: int) -> int:
    answer = fcntl.ioctl(fd, termios.FIONREAD, bytes(4))
    return int.from_bytes(answer, sys.byteorder)


def _flush_of_c() -> Callable[[], object]:
    """`fflush(stdout)` of the C library: into a pipe, C buffers by the block. Not `fflush(NULL)`, which waits
    for every stream that some thread holds."""
    libc = ctypes.CDLL(None)
    try:
        stdout = ctypes.c_void_p.in_dll(libc, "stdout")
    except ValueError:
        return int
    flush = libc.fflush
    flush.argtypes = [ctypes.c_void_p]
    return lambda: flush(stdout)
