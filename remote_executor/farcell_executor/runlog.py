"""The run log: one append-only file of numbered frames per run; write once, replay from any number, follow.

A file holds nothing but records of `framing`. Frames are written, not fsynced: they survive the death
of any process. `RunLogs.sync` fsyncs the logs that ended since it was last called.
"""

import asyncio
import bisect
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from farcell_protocol.errors import BadRequest, DiskFull, ErrorInfo
from farcell_protocol.frames import End, Outcome, decode_frame
from farcell_protocol.framing import MAX_RECORD_BYTES, PREFIX_BYTES, pack, record, whole_records
from farcell_protocol.ids import RunId, is_id
from farcell_protocol.stream import Receiver

BATCH_BYTES = 256 * 2**10
"""How much a follower is given at a time."""

_MARK_BYTES = 256 * 2**10  # how far apart the index's known positions are
_SCAN_BYTES = 1 * 2**20
_MOST_OPEN = 256


class RunLog:
    """One run's log. `last` frames are in it; once `ended`, it never changes again."""

    def __init__(self, run: RunId, path: Path) -> None:
        self.run = run
        self.failed = False
        self._path = path
        self._received = Receiver()
        self._size = 0
        self._tail: bytes | None = None
        self._marks: list[tuple[int, int]] = [(0, 0)]
        self._fd: int | None = None
        self._watchers: set[Callable[[], None]] = set()
        if path.exists():
            self._scan()

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
        return bool(self._watchers)

    def append(self, first: int, frames: Sequence[bytes | msgspec.Raw], *, end: bool = False) -> None:
        """Add frames numbered from `first`, skipping those it has; after the end or a failure all are dropped.

        Raises:
            StreamGap: frames before `first` are missing; nothing was added.
            DiskFull: there is no room. The log is whole up to `last`, and takes nothing more but `end_with`.
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
        self._mark(self.last)
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
        except DiskFull:
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

    def close(self) -> None:
        """Let go of the file; it is opened again when needed."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def sync(self) -> None:
        """Wait until the disk has it. Blocks: called from a thread."""
        if self._size:
            os.fsync(self._descriptor())

    def _notify(self) -> None:
        for wake in tuple(self._watchers):
            wake()

    def _descriptor(self) -> int:
        if self._fd is None:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._fd

    def _write(self, bodies: list[bytes]) -> None:
        if not bodies:
            return
        data = b"".join(record(body) for body in bodies)
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._descriptor(), memoryview(data)[written:], self._size + written)
        except OSError as err:
            self._give_up(err)
        self._size += len(data)

    def _give_up(self, err: OSError) -> None:
        self.failed = True
        if self._fd is not None:
            with suppress(OSError):
                os.ftruncate(self._fd, self._size)
        raise DiskFull(
            f"cannot keep the output of run {self.run}: {err.strerror}; "
            f"free space under {self._path.parent} and run it again",
            run=self.run,
            errno=err.errno,
        ) from err

    def _mark(self, last: int) -> None:
        if self._size - self._marks[-1][1] >= _MARK_BYTES:
            self._marks.append((last, self._size))

    def _scan(self) -> None:
        """Count what a file from an earlier life holds, and cut off a torn tail."""
        fd = self._descriptor()
        length = os.fstat(fd).st_size
        count, final = 0, (0, 0)
        while spans := self._spans(self._size, _SCAN_BYTES, length):
            count += len(spans)
            final = (self._size + spans[-1][0], spans[-1][1] - spans[-1][0])
            self._size += spans[-1][1]
            self._mark(count)
        if length > self._size:
            os.ftruncate(fd, self._size)
        self._received = Receiver(count, ended=count > 0 and _is_end(os.pread(fd, final[1], final[0])))

    def _spans(self, offset: int, limit: int, length: int) -> list[tuple[int, int]]:
        return _spans_of(os.pread(self._descriptor(), min(limit, length - offset), offset)) or _spans_of(
            self._first_record(offset, length)
        )

    def _first_record(self, offset: int, length: int) -> bytes:
        prefix = os.pread(self._descriptor(), PREFIX_BYTES, offset)
        size = PREFIX_BYTES + int.from_bytes(prefix, "big")
        whole = len(prefix) == PREFIX_BYTES and size <= MAX_RECORD_BYTES + PREFIX_BYTES and offset + size <= length
        return os.pread(self._descriptor(), size, offset) if whole else b""

    def _find(self, after: int) -> int:
        """The position in the file behind frame `after`."""
        index = bisect.bisect_right(self._marks, (after, self._size)) - 1
        count, offset = self._marks[index]
        while count < after:
            spans = self._spans(offset, _SCAN_BYTES, self._size)[: after - count]
            count += len(spans)
            offset += spans[-1][1]
        return offset

    def _read(self, offset: int, limit: int) -> tuple[list[msgspec.Raw], int]:
        data = os.pread(self._descriptor(), min(limit, self._size - offset), offset)
        if not (spans := _spans_of(data)):
            data = self._first_record(offset, self._size)
            spans = _spans_of(data)
        view = memoryview(data)
        return [msgspec.Raw(view[start:stop]) for start, stop in spans], offset + (spans[-1][1] if spans else 0)


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
        log = self.log
        if self._offset is None:
            on_disk = log.last - (log._tail is not None)
            self._offset = log._find(min(self.next - 1, on_disk))
        frames, self._offset = log._read(self._offset, limit_bytes)
        if self.next + len(frames) == log.last and log._tail is not None:
            frames.append(msgspec.Raw(log._tail))
        self.next += len(frames)
        return frames


class RunLogs:
    """All run logs of a data directory. Used from one event loop; small reads and writes happen right in it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._logs: OrderedDict[RunId, RunLog] = OrderedDict()
        self._unsynced: dict[RunId, RunLog] = {}
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def log(self, run: RunId) -> RunLog:
        """That run's log, empty when nothing was ever written.

        Raises:
            BadRequest: the text is not a run id, so it must not become the name of a file.
        """
        found = self._logs.get(run)
        if found is not None:
            self._logs.move_to_end(run)
            return found
        if not is_id(run, "r"):
            raise BadRequest(f"{run!r} is not a run id: r- and 12 letters or digits", run=run)
        self._make_room()
        found = self._logs[run] = RunLog(run, self._directory / f"{run}.log")
        return found

    def append(self, run: RunId, first: int, frames: Sequence[bytes | msgspec.Raw], *, end: bool = False) -> RunLog:
        """`RunLog.append`; returns the log for its `last` and `ended`."""
        log = self.log(run)
        log.append(first, frames, end=end)
        if log.ended:
            self._unsynced[run] = log
        return log

    def end_with(self, run: RunId, outcome: Outcome, reason: ErrorInfo | None) -> End:
        """`RunLog.end_with`."""
        log = self.log(run)
        self._unsynced[run] = log
        return log.end_with(outcome, reason)

    @contextmanager
    def watch(self, run: RunId, after: int, wake: Callable[[], None]) -> Iterator[Cursor]:
        """A cursor behind frame `after`; `wake` is called, in the loop, whenever something was added."""
        log = self.log(run)
        log._watchers.add(wake)
        try:
            yield Cursor(log, after)
        finally:
            log._watchers.discard(wake)

    async def sync(self) -> None:
        """Wait until the disk holds every log that has ended so far."""
        logs = list(self._unsynced.values())
        if not logs:
            return
        await asyncio.to_thread(self._sync_now, logs)
        for log in logs:
            self._unsynced.pop(log.run, None)

    def close(self) -> None:
        """Let go of all files."""
        for log in self._logs.values():
            log.close()

    def _sync_now(self, logs: list[RunLog]) -> None:
        for log in logs:
            log.sync()
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _make_room(self) -> None:
        if len(self._logs) < _MOST_OPEN:
            return
        for run, log in list(self._logs.items()):
            if log.ended and not log.watched and log._tail is None and run not in self._unsynced:
                log.close()
                del self._logs[run]
                return


def _spans_of(data: bytes) -> list[tuple[int, int]]:
    return list(whole_records(data))


def _is_end(body: bytes) -> bool:
    try:
        return isinstance(decode_frame(body), End)
    except msgspec.DecodeError:
        return False
