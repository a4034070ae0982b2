"""Runs on behalf of users: submit, look at, interrupt, cancel, and what a run printed."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import suppress

from farcell_executor.driver import Driver
from farcell_executor.model import Run, RunState
from farcell_executor.retention import Retention
from farcell_executor.runlogs import RunLogs
from farcell_executor.scheduling import events
from farcell_executor.store.base import Store
from farcell_executor.tokens import Identity
from farcell_executor.views import Views
from farcell_protocol.errors import BadRequest, Cancelled, NotFound, Unavailable, error_from
from farcell_protocol.frames import Frame, Message, decode_frame
from farcell_protocol.framing import check_payload
from farcell_protocol.ids import RunId, TellId, is_id
from farcell_protocol.messages.api import RunRequest
from farcell_protocol.pieces import Joiner


class Runs:
    """What users may do with runs. Every method takes who asks, and lets them touch their own only."""

    def __init__(
        self,
        driver: Driver,
        store: Store,
        logs: RunLogs,
        views: Views,
        retention: Retention,
        first_node: asyncio.Event,
        first_node_s: float,
    ) -> None:
        self._driver = driver
        self._store = store
        self._logs = logs
        self._views = views
        self._retention = retention
        self._first_node = first_node
        self._first_node_s = first_node_s
        self.draining = False

    async def submit(self, who: Identity, request: RunRequest) -> Run:
        """Have it executed once, however often it is submitted.

        Raises:
            BadRequest, BadSpec, NoDeviceFits, SessionDiffers: it can never be had like this.
            Forbidden: another user has a run of this id.
            Unavailable: the executor is leaving, or its store takes nothing.
            Pruned: it was executed long ago, and is not executed again.
        """
        if self._retention.was_pruned(request.run):
            return await self.get(who, request.run)
        known = await self._known(request.run)
        if known is None:
            self._check_open(request)
            await self._wait_for_a_node()
            self._driver.machine.check_request(who.user, request)
            await self._driver.feed(events.RunSubmitted(who.user, request))
            known = await self._find(request.run)
        if known is None:
            raise NotFound(f"run {request.run} ended, and its row is not in the store", run=request.run)
        who.must_own(known.owner, f"run {known.id}")
        return known

    async def get(self, who: Identity, run: RunId) -> Run:
        """A run of the asker's.

        Raises:
            NotFound: there is none of this id.
            Pruned: it ended long ago, and nothing of it is kept.
            Forbidden: it is another user's.
        """
        found = await self._find(run) if is_id(run, "r") else None
        if found is None:
            raise await self._missing(who, run)
        who.must_own(found.owner, f"run {run}")
        return found

    async def all(self, who: Identity, limit: int) -> list[Run]:
        """The newest `limit` runs, oldest first: the asker's, or everybody's for an admin."""
        runs = await self._store.runs(None if who.admin else who.user, limit=limit)
        runs = [self._at_hand(run.id) or run for run in runs if not run.aside]
        await self._views.recall(runs)
        return runs

    async def newest(self, run: Run) -> Run:
        """The run as it is now. Whoever begins to listen for changes asks afterwards what was missed before."""
        return run if run.state is RunState.ENDED else await self._find(run.id) or run

    async def interrupt(self, who: Identity, run: RunId) -> None:
        """SIGINT for its code; nothing if it has ended."""
        await self.get(who, run)
        await self._driver.feed(events.RunInterruptRequested(run))

    async def cancel(self, who: Identity, run: RunId, grace_s: float) -> None:
        """SIGINT, then SIGTERM and SIGKILL for its process tree, `grace_s` apart; nothing if it has ended."""
        check_grace(grace_s)
        await self.get(who, run)
        reason = Cancelled(f"cancelled by {who.user}", run=run, by=who.user).info()
        await self._driver.feed(events.RunStopRequested(run, reason, grace_s))

    async def tell(self, who: Identity, run: RunId, tell: TellId, payload: bytes) -> None:
        """Pass something on to a run that executes; dropped where it cannot arrive now: it will be sent again.

        Raises:
            NotFound, Forbidden: there is no such run, or it is another user's.
            MessageTooLarge: it does not fit into a message.
        """
        found = await self.get(who, run)
        check_payload(len(payload), "the message to the run is")
        self._driver.tell(found, tell, payload)
        self._driver.post(events.SessionUsed(found.session))

    async def output(self, who: Identity, run: RunId, *, follow: bool) -> AsyncIterator[bytes]:
        """What a run printed, as bytes; with `follow` until it ends, else up to now.

        Raises:
            NotFound, Forbidden: before the first byte.
        """
        found = await self.get(who, run)
        self.settle_log(found)
        return self._printed(run, follow)

    def settle_log(self, run: Run) -> None:
        """Give a run that has ended its `End` again, if the disk was too full to keep it."""
        if run.state is RunState.ENDED and run.outcome is not None and not self._logs.log(run.id).ended:
            self._logs.end_with(run.id, run.outcome, run.reason)

    async def _printed(self, run: RunId, follow: bool) -> AsyncIterator[bytes]:
        more, joiner = asyncio.Event(), Joiner()
        with self._logs.watch(run, 0, more.set) as cursor:
            while True:
                more.clear()
                while frames := cursor.read():
                    if text := "".join(text_of(joiner.take(decode_frame(frame))) for frame in frames):
                        yield text.encode(errors="replace")
                if cursor.finished or not follow:
                    return
                await more.wait()

    async def _missing(self, who: Identity, run: RunId) -> NotFound:
        explained = await self._retention.explain(run) if is_id(run, "r") else None
        if explained is None:
            return NotFound(f"there is no run {run}", run=run)
        left, pruned = explained
        who.must_own(left.owner, f"run {run}")
        return pruned

    def _at_hand(self, run: RunId) -> Run | None:
        """A living run, or one that ended and is being stored just now."""
        unsaved = self._driver.unsaved(run)
        return self._driver.machine.run(run) or (unsaved if isinstance(unsaved, Run) else None)

    async def _find(self, run: RunId) -> Run | None:
        return self._at_hand(run) or await self._store.run(run)

    async def _known(self, run: RunId) -> Run | None:
        living = self._at_hand(run)
        # An ended run has its `End` at least, and a run with output is no new one, however old it is.
        if living is not None or not self._logs.log(run).last:
            return living
        return await self._store.run(run)

    async def _wait_for_a_node(self) -> None:
        """The embedded agent says hello a moment after the API is open; who comes earlier waits for it."""
        if self._driver.machine.nodes:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._first_node_s):
                await self._first_node.wait()
        # A hello that has arrived may still be in line behind what the driver is storing.
        await self._driver.feed(events.Ticked())

    def _check_open(self, request: RunRequest) -> None:
        if self.draining:
            raise Unavailable("this executor is leaving; its successor takes the run", leaving=True)
        if self._driver.trouble is not None:
            raise error_from(self._driver.trouble)
        check_payload(len(request.payload), "the cell and its values are")


def check_grace(grace_s: float) -> None:
    """Refuse a grace that is no time to wait.

    Raises:
        BadRequest: negative, infinite or not a number.
    """
    if not (math.isfinite(grace_s) and 0 <= grace_s <= 3600):
        raise BadRequest(f"grace_s is {grace_s}: it must be from 0 to 3600 seconds", grace_s=str(grace_s))


def text_of(frame: Frame) -> str:
    """What a terminal shows of a frame: streams as they are, results and displays as text/plain, tracebacks."""
    if not isinstance(frame, Message):
        return ""
    content = frame.content
    match frame.msg_type:
        case "stream":
            return str(content.get("text", ""))
        case "execute_result" | "display_data" | "update_display_data":
            text = content.get("data", {}).get("text/plain", "")
            return f"{text}\n" if text else ""
        case "error":
            return "".join(f"{line}\n" for line in content.get("traceback", []))
    return ""
