"""An append-only file of records: whole after any death and any full disk, read from any record onward."""

import bisect
import errno
import os
from contextlib import suppress
from pathlib import Path

import msgspec

from farcell_protocol.framing import MAX_RECORD_BYTES, PREFIX_BYTES, record, whole_records

_MARK_BYTES = 256 * 2**10  # how far apart the index's known positions are
_SCAN_BYTES = 1 * 2**20


class RecordFile:
    """The records of one file, `count` of them; it is made by the first `append` and opened when needed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._size = 0
        self._marks: list[tuple[int, int]] = [(0, 0)]
        self._fd: int | None = None
        self._is_writable = False
        if path.exists():
            self._scan()

    def append(self, bodies: list[bytes]) -> None:
        """Add records, all of them.

        Raises:
            OSError: none was added, and the file is as it was.
        """
        if not bodies:
            return
        data = b"".join(record(body) for body in bodies)
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._for_writing(), memoryview(data)[written:], self._size + written)
        except OSError:
            if self._fd is not None:
                with suppress(OSError):
                    os.ftruncate(self._fd, self._size)
            raise
        self._take(len(bodies), len(data))

    def find(self, after: int) -> int:
        """The position behind record `after`."""
        index = bisect.bisect_right(self._marks, (after, self._size)) - 1
        count, offset = self._marks[index]
        while count < after:
            spans = self._spans(offset, _SCAN_BYTES, self._size)[: after - count]
            if not spans:
                raise OSError(errno.EIO, f"it has no whole record at {offset:,}, where one was written")
            count += len(spans)
            offset += spans[-1][1]
        return offset

    def read(self, offset: int, limit: int) -> tuple[list[msgspec.Raw], int]:
        """About `limit` bytes of records from a position, one at least if there is one; and the next position.

        Raises:
            OSError: they cannot be read, or the file was cut or replaced by somebody else.
        """
        if offset >= self._size:
            return [], offset
        data = os.pread(self._descriptor(), min(limit, self._size - offset), offset)
        if not (spans := list(whole_records(data))):
            data = self._first_record(offset, self._size)
            spans = list(whole_records(data))
        if not spans:
            raise OSError(errno.EIO, f"it has no whole record at {offset:,}, where one was written")
        view = memoryview(data)
        return [msgspec.Raw(view[start:stop]) for start, stop in spans], offset + spans[-1][1]

    def last_record(self) -> bytes:
        """The newest record; empty when there is none."""
        if not self.count:
            return b""
        frames, _ = self.read(self.find(self.count - 1), _SCAN_BYTES)
        return bytes(frames[-1])

    def sync(self) -> None:
        """Wait until the disk has it. Blocks: called from a thread."""
        if self._size:
            os.fsync(self._descriptor())

    def close(self) -> None:
        """Let go of the file; it is opened again when needed."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _for_writing(self) -> int:
        if self._fd is None or not self._is_writable:
            self.close()
            # Made anew, a file that somebody removed would begin with a hole.
            create = 0 if self._size else os.O_CREAT
            self._fd, self._is_writable = os.open(self.path, os.O_RDWR | create | os.O_CLOEXEC, 0o600), True
        return self._fd

    def _descriptor(self) -> int:
        if self._fd is None:
            self._fd, self._is_writable = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC), False
        return self._fd

    def _take(self, count: int, size_bytes: int) -> None:
        self.count += count
        self._size += size_bytes
        if self._size - self._marks[-1][1] >= _MARK_BYTES:
            self._marks.append((self.count, self._size))

    def _scan(self) -> None:
        """Count what a file from an earlier life holds, and cut off a torn tail."""
        length = os.fstat(self._descriptor()).st_size
        while spans := self._spans(self._size, _SCAN_BYTES, length):
            self._take(len(spans), spans[-1][1])
        if length > self._size:
            with suppress(OSError):  # where nothing can be written, nothing will be added behind it
                os.ftruncate(self._for_writing(), self._size)

    def _spans(self, offset: int, limit: int, length: int) -> list[tuple[int, int]]:
        data = os.pread(self._descriptor(), min(limit, length - offset), offset)
        return list(whole_records(data)) or list(whole_records(self._first_record(offset, length)))

    def _first_record(self, offset: int, length: int) -> bytes:
        prefix = os.pread(self._descriptor(), PREFIX_BYTES, offset)
        size = PREFIX_BYTES + int.from_bytes(prefix, "big")
        whole = len(prefix) == PREFIX_BYTES and size <= MAX_RECORD_BYTES + PREFIX_BYTES and offset + size <= length
        return os.pread(self._descriptor(), size, offset) if whole else b""
