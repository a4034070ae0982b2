"""All run logs of a data directory: opened when needed, watched by those who follow, fsynced when they have ended.

Frames are written, not fsynced: they survive the death of any process. `RunLogs.sync` fsyncs the logs that
ended since it was last called.
"""

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from farcell_executor.runlog import Cursor, RunLog
from farcell_protocol.errors import BadRequest, ErrorInfo
from farcell_protocol.frames import End, Outcome
from farcell_protocol.ids import RunId, is_id

_MOST_OPEN = 256


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
            if log.ended and not log.watched and log.on_disk and run not in self._unsynced:
                log.close()
                del self._logs[run]
                return
