"""All run logs of a data directory: opened when needed, watched by those who follow, fsynced when they have ended.

Frames are written, not fsynced: they survive the death of any process. `RunLogs.sync` fsyncs the logs that
ended since it was last called.
"""

import asyncio
import logging
import os
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from farcell_executor.runlog import Cursor, RunLog
from farcell_protocol.errors import BadRequest, ErrorInfo
from farcell_protocol.frames import End, Outcome
from farcell_protocol.ids import RunId, is_id

_MOST_OPEN = 256

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LogFile:
    """What a log takes on disk, and when it was last written to (epoch seconds)."""

    size_bytes: int
    written: float


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
        found = self._logs[run] = RunLog(run, self._path(run))
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
        log.watchers.add(wake)
        try:
            yield Cursor(log, after)
        finally:
            log.watchers.discard(wake)

    async def sync(self) -> None:
        """Wait until the disk holds every log that has ended so far."""
        logs = list(self._unsynced.values())
        if not logs:
            return
        for run in await asyncio.to_thread(self._sync_now, logs):
            self._unsynced.pop(run, None)

    def let_go(self, run: RunId) -> bool:
        """Stop knowing a log that ended, so that it can be removed; False while somebody reads it or it is needed."""
        found = self._logs.get(run)
        if found is not None:
            if not found.ended or found.watched or run in self._unsynced:
                return False
            found.close()
            del self._logs[run]
        return True

    async def files(self) -> dict[RunId, LogFile]:
        """The logs on disk."""
        return await asyncio.to_thread(self._files_now)

    async def remove(self, runs: Collection[RunId]) -> None:
        """Remove the files of logs that were let go."""
        await asyncio.to_thread(self._remove_now, list(runs))

    def close(self) -> None:
        """Let go of all files."""
        for log in self._logs.values():
            log.close()

    def _path(self, run: RunId) -> Path:
        return self._directory / f"{run}.log"

    def _remove_now(self, runs: list[RunId]) -> None:
        for run in runs:
            self._path(run).unlink(missing_ok=True)

    def _files_now(self) -> dict[RunId, LogFile]:
        found = {}
        with os.scandir(self._directory) as entries:
            for entry in entries:
                run, suffix = os.path.splitext(entry.name)
                if suffix == ".log" and is_id(run, "r"):
                    with suppress(FileNotFoundError):
                        about = entry.stat(follow_symlinks=False)
                        found[RunId(run)] = LogFile(about.st_size, about.st_mtime)
        return found

    def _sync_now(self, logs: list[RunLog]) -> list[RunId]:
        """Which are safe now: one that the disk refuses holds up no other."""
        safe = [log.run for log in logs if _is_safe(log)]
        if safe:
            self._sync_directory()
        return safe

    def _sync_directory(self) -> None:
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _make_room(self) -> None:
        if len(self._logs) < _MOST_OPEN:
            return
        for run, log in list(self._logs.items()):
            if log.ended and not log.watched and log.on_disk and run not in self._unsynced:
                log.close()
                del self._logs[run]
                return


def _is_safe(log: RunLog) -> bool:
    try:
        log.sync()
    except OSError as err:
        logger.error("could not make the output of run %s safe against a power cut: %s", log.run, err)
        return False
    return True
