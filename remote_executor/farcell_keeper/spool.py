"""One run's frames on disk until the agent's side holds them: a file of records, read from any number on.

What is acknowledged gives its disk back, so a run takes no more of it than nobody has fetched. Memory stays small
however much is spooled: positions are kept for one frame in every 64 KiB.
"""

import os
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

from farcell_keeper import holes, journal
from farcell_protocol.framing import PREFIX_BYTES, record, whole_records
from farcell_protocol.ids import RunId

_SPACING_BYTES = 64 * 2**10
_RELEASE_BYTES = 1 * 2**20


class Positions:
    """Where frames begin in the file: a few of them, from which the others are found by reading on. Pure."""

    def __init__(self) -> None:
        self._numbers = array("Q", [0])
        self._offsets = array("Q", [0])
        self._cursor = (0, 0)

    def written(self, last: int, end: int) -> None:
        """Frame `last` ends at offset `end`; noted if it is far enough from the one noted before."""
        if end - self._offsets[-1] >= _SPACING_BYTES:
            self._numbers.append(last)
            self._offsets.append(end)

    def reached(self, last: int, end: int) -> None:
        """A reader got to the end of frame `last`: where the next read is likely to begin."""
        self._cursor = (last, end)

    def before(self, after: int) -> tuple[int, int]:
        """The nearest known place at or before the end of frame `after`: its number and offset."""
        noted = self.noted(after)
        return max(noted, self._cursor) if self._cursor[0] <= after else noted

    def noted(self, after: int) -> tuple[int, int]:
        """Likewise, but only of those that stay known: no later search goes back behind it for frames after `after`."""
        at = bisect_right(self._numbers, after) - 1
        return self._numbers[at], self._offsets[at]


class Spool:
    """The frames of one run. `count` of them exist; each is a whole record or not there at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None
        self._size = 0
        self._positions = Positions()
        self._in_memory: bytes | None = None
        self._released = 0
        self._holes = True
        self.count = 0

    def append(self, frames: Sequence[bytes]) -> None:
        """Write these frames after the others, all or none.

        Raises:
            OSError: no room, or the disk is broken; what was there before still is.
        """
        data = b"".join(map(record, frames))
        fd = self._opened()
        try:
            _write_all(fd, data)
        except OSError:
            os.ftruncate(fd, self._size)
            raise
        self._size += len(data)
        self.count += len(frames)
        self._positions.written(self.count, self._size)

    def append_last(self, frame: bytes) -> None:
        """The run's `End`: in memory if there is no room for it on disk, so that it is never lost."""
        try:
            self.append([frame])
        except OSError as err:
            journal.note(f"keeping the end of {self._path.stem} in memory: {err}")
            self._in_memory = frame
            self.count += 1

    def read(self, after: int, max_bytes: int) -> list[bytes]:
        """Frames from number `after + 1` on: as many as fit in `max_bytes`, but at least one if there is one.

        Raises:
            OSError: the file cannot be read.
        """
        on_disk = self.count - (self._in_memory is not None)
        if after < on_disk:
            return self._read_file(after, max_bytes)
        return [self._in_memory] if self._in_memory is not None and after < self.count else []

    def release(self, acknowledged: int) -> None:
        """Give back the disk under frames that nobody will ask for again, in pieces worth the call.

        Where the file system has no holes, all of it stays until `drop`.
        """
        _number, offset = self._positions.noted(acknowledged)
        if self._holes and offset - self._released >= _RELEASE_BYTES:
            self._holes = holes.punch(self._opened(), self._released, offset)
            self._released = offset

    def close(self) -> None:
        """Let go of the file, which stays and is opened again when needed."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def drop(self) -> None:
        """Remove the file: nobody needs it any more."""
        self.close()
        self._path.unlink(missing_ok=True)

    def _opened(self) -> int:
        if self._fd is None:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        return self._fd

    def _read_file(self, after: int, max_bytes: int) -> list[bytes]:
        number, offset = self._positions.before(after)
        while True:
            data, spans = self._read_records(offset, max_bytes)
            skipped = min(after - number, len(spans))
            number += len(spans)
            offset += spans[-1][1]
            if skipped < len(spans):
                self._positions.reached(number, offset)
                return [data[start:end] for start, end in spans[skipped:]]

    def _read_records(self, offset: int, max_bytes: int) -> tuple[bytes, list[tuple[int, int]]]:
        fd = self._opened()
        data = os.pread(fd, max(max_bytes, PREFIX_BYTES), offset)
        spans = list(whole_records(data))
        if not spans:
            size = int.from_bytes(data[:PREFIX_BYTES], "big")
            data = os.pread(fd, PREFIX_BYTES + size, offset)
            spans = list(whole_records(data))
        if not spans:
            raise OSError(f"{self._path} has become shorter than what was written to it")
        return data, spans


def spool_path(folder: Path, run: RunId) -> Path:
    """The file of a run; the caller has checked that `run` has the form of an id."""
    return folder / f"{run}.log"


def clear(folder: Path) -> None:
    """Delete what a dead keeper left: its workers are gone, and their runs are known to be lost."""
    for path in folder.glob("*.log"):
        path.unlink(missing_ok=True)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
