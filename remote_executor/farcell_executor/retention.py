"""How long ended runs and their logs are kept: which go is decided purely, and done beside everything else.

A run that is followed, or has not ended, is never touched. Of a run that went, its owner and two times stay, so
that whoever asks for it is told, and a request that is sent once more is not executed once more.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from farcell_executor.clock import Clock
from farcell_executor.model import PrunedRun
from farcell_executor.runlogs import LogFile, RunLogs
from farcell_executor.store.base import Store
from farcell_protocol.errors import FarcellError, Pruned
from farcell_protocol.ids import RunId

FIRST_S = 60.0
"""How long after its start an executor looks for the first time: not while it has better things to do."""

EVERY_S = 3600.0
_LOOKED_AT = 100_000
_REMEMBERED = 100_000
_DAY_S = 86400.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rules:
    """An ended run is kept for `keep_s`, and all logs together take at most `keep_bytes`."""

    keep_s: float
    keep_bytes: int

    def __str__(self) -> str:
        return f"runs are kept for {self.keep_s / _DAY_S:g} days, and {self.keep_bytes / 2**30:g} GiB of their output"


def overdue(
    ended: Sequence[tuple[RunId, float]], sizes: Mapping[RunId, int], total_bytes: int, now: float, rules: Rules
) -> list[RunId]:
    """Which of the ended runs must go: those that are too old, and then the oldest until the rest is small enough."""
    going = []
    for run, when in sorted(ended, key=lambda one: one[1]):
        too_old, too_much = when <= now - rules.keep_s, total_bytes > rules.keep_bytes and sizes.get(run, 0) > 0
        if too_old or too_much:
            going.append(run)
            total_bytes -= sizes.get(run, 0)
    return going


class Retention:
    """Prunes from time to time; `is_living` says which runs have not ended, or whose end is not stored yet."""

    def __init__(
        self, store: Store, logs: RunLogs, clock: Clock, rules: Rules, is_living: Callable[[RunId], bool]
    ) -> None:
        self._store = store
        self._logs = logs
        self._clock = clock
        self._rules = rules
        self._is_living = is_living
        self._pruned: dict[RunId, None] = {}

    async def recall(self) -> None:
        """Remember, from an earlier life, the last runs that were pruned."""
        self._pruned = dict.fromkeys(await self._store.pruned_runs(_REMEMBERED))

    def was_pruned(self, run: RunId) -> bool:
        """Whether the run is among the last that were pruned, without asking the store."""
        return run in self._pruned

    async def explain(self, run: RunId) -> tuple[PrunedRun, Pruned] | None:
        """If that run was pruned, what is remembered of it, and the error for whoever asks for it."""
        found = await self._store.pruned(run)
        if found is None:
            return None
        days = max(0.0, self._clock.now() - found.ended) / _DAY_S
        return found, Pruned(
            f"run {run} ended {days:.1f} days ago and was pruned with what it printed: {self._rules}"
            " (FARCELL_KEEP_DAYS, FARCELL_KEEP_BYTES)",
            run=run,
            ended=found.ended,
            pruned=found.pruned,
        )

    async def run(self) -> None:
        """Prune from time to time, until cancelled."""
        await asyncio.sleep(FIRST_S)
        while True:
            try:
                await self.prune()
            except (FarcellError, OSError):
                log.exception("could not prune old runs; tried again in %.0f s", EVERY_S)
            await asyncio.sleep(EVERY_S)

    async def prune(self) -> list[RunId]:
        """Remove what is overdue now; which runs that were."""
        now = self._clock.now()
        files = await self._logs.files()
        ended = await self._store.ended_runs(_LOOKED_AT)
        sizes = {run: file.size_bytes for run, file in files.items()}
        gone = [run for run in overdue(ended, sizes, sum(sizes.values()), now, self._rules) if self._logs.let_go(run)]
        # First the rows, then the files: should this process die in between, a file is left over, and no row lies.
        await self._store.prune(gone, now)
        self._remember(gone)
        await self._logs.remove(gone)
        await self._remove_left_over(files, {run for run, _ in ended}, now)
        await self._store.prune_sessions(now - self._rules.keep_s)
        if gone:
            log.info("pruned %d runs: %s", len(gone), self._rules)
        return gone

    def _remember(self, runs: Iterable[RunId]) -> None:
        self._pruned |= dict.fromkeys(runs)
        while len(self._pruned) > _REMEMBERED:
            del self._pruned[next(iter(self._pruned))]

    async def _remove_left_over(self, files: Mapping[RunId, LogFile], known: set[RunId], now: float) -> None:
        """Old logs whose run nobody has in store."""
        old = [run for run, file in files.items() if run not in known and file.written <= now - self._rules.keep_s]
        old = [run for run in old if not self._is_living(run) and self._logs.let_go(run)]
        await self._logs.remove([run for run in old if await self._store.run(run) is None])
