"""Keeps what was decided: in the store at once, and what has ended safe against a power cut a moment later."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from farcell_executor.checkpoints import Checkpoint
from farcell_executor.model import Run, RunState
from farcell_executor.runlogs import RunLogs
from farcell_executor.store.base import Noun, Store
from farcell_protocol.errors import ErrorInfo, FarcellError, StoreError

_SAVE_AGAIN_S = 1.0

log = logging.getLogger(__name__)


class Saver:
    """Stores nouns. What the store refuses is kept here, and `again` is called when it is time for another try."""

    def __init__(self, store: Store, logs: RunLogs, at: Checkpoint, again: Callable[[], None]) -> None:
        self._store = store
        self._logs = logs
        self._at = at
        self._again = again
        self._ended = asyncio.Event()
        self._unsaved: dict[str, Noun] = {}
        self.trouble: ErrorInfo | None = None
        """Why the store takes nothing at present."""

    def unsaved(self, key: str) -> Noun | None:
        """A noun's newest state while the store does not have it: being saved just now, or refused for the moment."""
        return self._unsaved.get(key)

    async def save(self, nouns: Iterable[Noun]) -> None:
        """Store the newest state of each, and of whatever was refused before."""
        for noun in nouns:
            self._unsaved[noun.id] = noun
        if not self._unsaved:
            return
        latest = list(self._unsaved.values())
        runs = [noun for noun in latest if isinstance(noun, Run)]
        ended = any(run.state is RunState.ENDED for run in runs)
        self._pass("before-save" if runs else "", "before-end-saved" if ended else "")
        try:
            await self._store.save(latest)
        except Exception as err:
            self._failed(err)
            return
        self._unsaved.clear()
        self.trouble = None
        self._pass("after-save" if runs else "", "after-end-saved" if ended else "")
        if ended:
            self._ended.set()

    async def settle_ended(self) -> None:
        """Group commit, for ever: whatever ended while the last fsync was under way shares the next one."""
        while True:
            await self._ended.wait()
            self._ended.clear()
            await self.make_safe()

    async def make_safe(self) -> None:
        """Have the disk hold what has ended so far."""
        try:
            await self._logs.sync()
            await self._store.flush()
        except Exception:
            log.exception("could not make ended runs safe against a power cut")

    def _failed(self, err: Exception) -> None:
        # What was decided goes on all the same: what runs matters more than its row, and ids keep a
        # repetition harmless should this process die before the row is stored.
        log.error("the store took nothing of %d changes: %s", len(self._unsaved), err)
        self.trouble = (
            err.info() if isinstance(err, FarcellError) else StoreError(f"it takes no changes: {err!r}").info()
        )
        asyncio.get_running_loop().call_later(_SAVE_AGAIN_S, self._again)

    def _pass(self, *names: str) -> None:
        for name in names:
            if name:
                self._at(name)
