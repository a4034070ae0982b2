"""One running executor as its API sees it: the parts, and how it leaves."""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from farcell_executor.agents import Agents
from farcell_executor.clock import Clock
from farcell_executor.driver import Driver
from farcell_executor.fleet import Fleet
from farcell_executor.followers import Followers
from farcell_executor.idle import IdleWatch
from farcell_executor.model import NodeState, WorkerState
from farcell_executor.retention import Retention
from farcell_executor.runlogs import RunLogs
from farcell_executor.runs import Runs
from farcell_executor.scheduling import events
from farcell_executor.sessions import Sessions
from farcell_executor.settings import Settings
from farcell_executor.store.base import Noun
from farcell_executor.tokens import Tokens
from farcell_executor.views import Views
from farcell_executor.watchers import Watchers
from farcell_protocol.errors import ErrorInfo, SessionEnded
from farcell_protocol.ids import WorkerId
from farcell_protocol.messages.api import ExecutorView, Stopped

STOP_DEADLINE_S = 15.0
"""How long `stop` waits for workers to be gone before it leaves all the same."""

OWN_NODE_S = 5.0
"""How long `stop` waits for this host's own agent, which connects a moment after the API is open."""

log = logging.getLogger(__name__)


class Bulletin:
    """Passes what changed to whoever wants to know, and lets tasks wait for a change."""

    def __init__(self) -> None:
        self.readers: list[Callable[[Sequence[Noun]], None]] = []
        self._changed = asyncio.Event()

    def announce(self, nouns: Sequence[Noun]) -> None:
        """Called by the driver after each step."""
        if nouns:
            for reader in self.readers:
                reader(nouns)
            self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds, looked at after each change."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()


@dataclass(frozen=True)
class Executor:
    """Built by `app.running`, used by the routes."""

    settings: Settings
    clock: Clock
    started: float
    version: str
    driver: Driver
    logs: RunLogs
    tokens: Tokens
    views: Views
    retention: Retention
    runs: Runs
    sessions: Sessions
    followers: Followers
    watchers: Watchers
    fleet: Fleet
    agents: Agents
    idle: IdleWatch
    bulletin: Bulletin
    for_good: list[Callable[[], None]] = field(default_factory=list)
    """Called when nobody will follow this executor: what it left running must end by itself."""
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process is to end."""

    def about_itself(self, view: ExecutorView) -> ExecutorView:
        """The view with what only admins may see."""
        return msgspec.structs.replace(view, pid=os.getpid(), data_directory=str(self.settings.places.data))

    async def stop(self, reason: ErrorInfo | None = None, *, for_good: bool = True) -> Stopped:
        """Take no more runs, end all sessions for `reason`, wait until their workers are gone, then leave.

        `for_good` asks the keeper to leave too, once its last worker has.
        """
        self.runs.draining = True
        await self._wait_for_own_node()
        machine = self.driver.machine
        before = self._alive()
        reason = reason or SessionEnded("the executor was stopped").info()
        for session in list(machine.sessions):
            self.driver.post(events.SessionStopRequested(session, reason, 1.0))
        await self.driver.feed(events.Ticked())
        try:
            async with asyncio.timeout(STOP_DEADLINE_S):
                await self.bulletin.until(self._nothing_lives)
        except TimeoutError:
            log.warning("leaving with %d workers that did not end in time", len(machine.workers))
        if for_good:
            for leave in self.for_good:
                leave()
        self.leaving.set()
        left = self._alive()
        return Stopped(ended=len(before - left), left=len(left))

    def drain(self) -> Stopped:
        """Take no more runs and leave; workers go on for a successor."""
        self.runs.draining = True
        self.leaving.set()
        return Stopped(left=len(self._alive()))

    def _alive(self) -> set[WorkerId]:
        return {one.id for one in self.driver.machine.workers.values() if one.state is not WorkerState.GONE}

    async def _wait_for_own_node(self) -> None:
        """What an earlier executor left on this host is known once this executor's own agent has spoken."""
        nodes = self.driver.machine.nodes

        def is_here() -> bool:
            return any(node.embedded and node.state is NodeState.CONNECTED for node in nodes.values())

        if self.settings.embedded_agent:
            with suppress(TimeoutError):
                async with asyncio.timeout(OWN_NODE_S):
                    await self.bulletin.until(is_here)

    def _nothing_lives(self) -> bool:
        machine = self.driver.machine
        reachable = {node.id for node in machine.nodes.values() if node.state is NodeState.CONNECTED}
        workers = [
            one for one in machine.workers.values() if one.node in reachable and one.state is not WorkerState.GONE
        ]
        return not workers and not machine.sessions
