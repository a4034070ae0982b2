"""The run log: one append-only file of numbered frames per run; write once, replay from any number, follow."""

import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from farcell_executor.recordfile import RecordFile
from farcell_protocol.errors import DiskFailed, DiskFull, ErrorInfo
from farcell_protocol.frames import End, Outcome, decode_frame
from farcell_protocol.framing import pack
from farcell_protocol.ids import RunId
from farcell_protocol.stream import Receiver

BATCH_BYTES = 256 * 2**10
"""How much a follower is given at a time."""


class RunLog:
    """One run's log. `last` frames are in it; once `ended`, it never changes again.

    `watchers` are called, in the loop, whenever something was added.
    """

    def __init__(self, run: RunId, path: Path) -> None:
        """Open what an earlier life wrote.

        Raises:
            DiskFailed: it is there and cannot be read.
        """
        self.run = run
        self.failed = False
        self.watchers: set[Callable[[], None]] = set()
        with self._readable(path):
            self._file = RecordFile(path)
            self._received = Receiver(self._file.count, ended=_is_end(self._file.last_record()))
        self._tail: bytes | None = None

    @property
    def last(self) -> int:
        """The number of the newest frame, 0 when there is none."""
        return self._received.last

    @property
    def ended(self) -> bool:
        """Whether the `End` is among the frames."""
        return self._received.ended

    @property
    def watched(self) -> bool:
        """Whether somebody holds a cursor on it."""
        return bool(self.watchers)

    @property
    def on_disk(self) -> bool:
        """Whether all of it is in its file, rather than its `End` in memory alone."""
        return self._tail is None

    def append(self, first: int, frames: Sequence[bytes | msgspec.Raw], *, end: bool = False) -> None:
        """Add frames numbered from `first`, skipping those it has; after the end or a failure all are dropped.

        Raises:
            StreamGap: frames before `first` are missing; nothing was added.
            DiskFailed: the disk refuses, `DiskFull` when it has no room. The log is whole up to `last`, and takes
                nothing more but `end_with`.
        """
        if self.ended or self.failed:
            return
        before, self._received = self._received, Receiver(self.last, self.ended)
        try:
            skipped = self._received.accept(first, len(frames), end=end)
            self._write([bytes(frame) for frame in frames[skipped:]])
        except BaseException:
            self._received = before
            raise
        self._notify()

    def end_with(self, outcome: Outcome, reason: ErrorInfo | None) -> End:
        """Write the `End` on behalf of a worker that cannot; kept in memory when the disk will not take it.

        Returns the `End` that stands: an earlier one, if there was one.
        """
        if (standing := self.end()) is not None:
            return standing
        end = End(outcome, reason)
        body = pack(end)
        try:
            self._write([body])
        except DiskFailed:
            self._tail = body
        self._received.accept(self.last + 1, 1, end=True)
        self._notify()
        return end

    def end(self) -> End | None:
        """The decoded `End`, or None while there is none."""
        if not self.ended:
            return None
        frame = decode_frame(Cursor(self, self.last - 1).read(BATCH_BYTES)[-1])
        return frame if isinstance(frame, End) else None

    def find(self, after: int) -> int:
        """The position in the file behind frame `after`, or behind the last one that is in the file.

        Raises:
            DiskFailed: the file cannot be read, or is not what was written.
        """
        with self._readable(self._file.path):
            return self._file.find(min(after, self._file.count))

    def read(self, number: int, offset: int, limit: int) -> tuple[list[msgspec.Raw], int]:
        """Frames from `number`, which is at `offset`, about `limit` bytes of them; and the next position.

        Raises:
            DiskFailed: the file cannot be read, or is not what was written.
        """
        with self._readable(self._file.path):
            frames, offset = self._file.read(offset, limit)
        if self._tail is not None and number + len(frames) == self.last:
            frames.append(msgspec.Raw(self._tail))
        return frames, offset

    def close(self) -> None:
        """Let go of the file; it is opened again when needed."""
        self._file.close()

    def sync(self) -> None:
        """Wait until the disk has it. Blocks: called from a thread."""
        self._file.sync()

    def _notify(self) -> None:
        for wake in tuple(self.watchers):
            wake()

    def _write(self, bodies: list[bytes]) -> None:
        try:
            self._file.append(bodies)
        except OSError as err:
            self.failed = True
            raise _failed_write(self.run, self._file.path.parent, err) from err

    @contextmanager
    def _readable(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as err:
            raise DiskFailed(
                f"cannot read the output of run {self.run} in {path}: {err.strerror}",
                run=self.run,
                path=str(path),
                errno=err.errno,
            ) from err


class Cursor:
    """One reader's place in a log: each `read` goes on where the last one stopped."""

    def __init__(self, log: RunLog, after: int) -> None:
        self.log = log
        self.next = after + 1
        self._offset: int | None = None

    @property
    def behind(self) -> bool:
        """Whether there is something to read."""
        return self.next <= self.log.last

    @property
    def finished(self) -> bool:
        """Whether everything there will ever be has been read."""
        return self.log.ended and not self.behind

    def read(self, limit_bytes: int = BATCH_BYTES) -> list[msgspec.Raw]:
        """The next frames, about `limit_bytes` of them, one at least if there is one."""
        if not self.behind:
            return []
        if self._offset is None:
            self._offset = self.log.find(self.next - 1)
        frames, self._offset = self.log.read(self.next, self._offset, limit_bytes)
        self.next += len(frames)
        return frames


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _failed_write(run: RunId, folder: Path, err: OSError) -> DiskFailed:
    said = f"cannot keep the output of run {run}: {err.strerror}"
    if err.errno in _NO_ROOM:
        return DiskFull(f"{said}; free space under {folder} and run it again", run=run, errno=err.errno)
    return DiskFailed(
        f"{said}; {folder} must be there and writable: see to that and run it again",
        run=run,
        path=str(folder),
        errno=err.errno,
    )


def _is_end(body: bytes) -> bool:
    try:
        return isinstance(decode_frame(body), End)
    except msgspec.DecodeError:
        return False
