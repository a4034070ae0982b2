"""The driver: the one loop that owns time. Events go into the machine, its actions are performed, in order.

For each batch of events: the machine decides, all `Save`s go into one transaction, then the other
actions are performed, then whoever follows the changed nouns is told. Nothing here waits for the
disk: ended runs are fsynced by a task beside the loop.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from farcell_executor.model import Run, RunState
from farcell_executor.runlog import RunLogs
from farcell_executor.scheduling import actions, events
from farcell_executor.scheduling.ledger import REMEMBERED_RUNS
from farcell_executor.scheduling.machine import Machine
from farcell_executor.store.base import Noun, Store
from farcell_protocol.errors import DiskFull, ErrorInfo, FarcellError
from farcell_protocol.ids import NodeId, TellId
from farcell_protocol.messages import keeping, link

CHECKPOINTS = (
    "before-save",
    "after-save",
    "before-start-worker",
    "after-start-worker",
    "before-dispatch",
    "after-dispatch",
    "before-log-append",
    "after-log-append",
    "before-ack",
    "after-ack",
    "before-end-saved",
    "after-end-saved",
)
"""Between which steps of one cell's journey tests kill the executor. The two around `save` are passed when
a run is among what is saved."""

_BATCH = 256
_ALL = 1_000_000
_SAVE_AGAIN_S = 1.0

log = logging.getLogger(__name__)

Checkpoint = Callable[[str], None]


class Clock(Protocol):
    """Where the time comes from; tests move their own."""

    def now(self) -> float:
        """Seconds since the epoch, never going back while this process lives."""


class SteadyClock:
    """The wall clock at the start, advanced by the monotonic one: setting the host's clock moves no deadline."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._offset + time.monotonic()


class Nodes(Protocol):
    """The links to the agents, as far as the driver needs them."""

    async def send(self, node: NodeId, message: link.ToAgent) -> bool:
        """Hand a message to that node's agent; False when it is not connected (it will say hello again)."""


def no_checkpoint(name: str) -> None:
    """What a driver outside of tests does at a checkpoint."""


class Driver:
    """Owns the machine and time. `run` must be running for anything to happen."""

    def __init__(
        self,
        machine: Machine,
        store: Store,
        logs: RunLogs,
        nodes: Nodes,
        clock: Clock,
        *,
        announce: Callable[[Sequence[Noun]], None],
        checkpoint: Checkpoint = no_checkpoint,
    ) -> None:
        self.machine = machine
        self.clock = clock
        self.checkpoint = checkpoint
        self._store = store
        self._logs = logs
        self._nodes = nodes
        self._announce = announce
        self._inbox: deque[tuple[events.Event, asyncio.Future[None] | None]] = deque()
        self._wake = asyncio.Event()
        self._ended = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._unsaved: dict[str, Noun] = {}
        self._trouble: ErrorInfo | None = None

    @property
    def trouble(self) -> ErrorInfo | None:
        """Why the store takes nothing at present; new runs are refused with it."""
        return self._trouble

    def unsaved(self, key: str) -> Noun | None:
        """A noun's newest state while the store does not have it: being saved just now, or refused for the moment."""
        return self._unsaved.get(key)

    def post(self, event: events.Event) -> None:
        """Have the event handled soon."""
        self._inbox.append((event, None))
        self._wake.set()

    async def feed(self, event: events.Event) -> None:
        """Have the event handled, and wait until what follows from it is stored and set in motion.

        Raises:
            FarcellError: the machine refused it.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._inbox.append((event, done))
        self._wake.set()
        await done

    async def settle(self) -> None:
        """Handle what has arrived so far, and make what has ended safe against a power cut."""
        await self.feed(events.Ticked())
        await self._make_safe()

    async def tell(self, run: Run, tell: TellId, payload: bytes) -> None:
        """Pass something on to a run that executes. Nothing is decided, so no event is made of it."""
        worker = self.machine.workers.get(run.worker) if run.worker else None
        if worker is not None and run.state is RunState.RUNNING:
            await self._nodes.send(worker.node, keeping.Tell(worker.id, run.id, tell, payload))

    async def restore(self) -> None:
        """Let the machine begin from what the store holds of an earlier life."""
        runs = {run.id: run for run in await self._store.runs(limit=REMEMBERED_RUNS)}
        runs |= {run.id: run for run in await self._store.runs(unfinished=True, limit=_ALL)}
        self.machine.restore(
            runs=runs.values(),
            sessions=await self._store.sessions(alive=True, limit=_ALL),
            workers=await self._store.workers(alive=True),
            nodes=await self._store.nodes(),
        )
        for run in runs.values():
            # Before any agent speaks: its keeper may have dropped a run whose end we had already taken.
            if run.state is not RunState.ENDED and (end := self._logs.log(run.id).end()) is not None:
                self.post(events.RunEnded(run.id, end.outcome, end.reason))
        self.post(events.Ticked())

    async def run(self) -> None:
        """Handle events until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._settle_ended(), name="settle ended runs")
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._inbox:
                    await self._step([self._inbox.popleft() for _ in range(min(_BATCH, len(self._inbox)))])
                self._set_timer()

    async def _step(self, batch: list[tuple[events.Event, asyncio.Future[None] | None]]) -> None:
        wanted: list[actions.Action] = []
        finished: list[asyncio.Future[None]] = []
        for event, done in batch:
            try:
                wanted += self.machine.handle(event, self.clock.now())
            except Exception as err:
                _fail(done, err, event)
            else:
                finished += [done] if done else []
        nouns = [action.noun for action in wanted if isinstance(action, actions.Save)]
        await self._save(nouns)
        for action in wanted:
            if not isinstance(action, actions.Save):
                await self._perform(action)
        self._announce(nouns)
        for done in finished:
            if not done.done():
                done.set_result(None)

    async def _save(self, nouns: Iterable[Noun]) -> None:
        """Store the newest state of each; what the store refuses is kept and tried again."""
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
            self._store_failed(err)
            return
        self._unsaved.clear()
        self._trouble = None
        self._pass("after-save" if runs else "", "after-end-saved" if ended else "")
        if ended:
            self._ended.set()

    def _store_failed(self, err: Exception) -> None:
        # What was decided goes on all the same: what runs matters more than its row, and ids keep a
        # repetition harmless should this process die before the row is stored.
        log.error("the store took nothing of %d changes: %s", len(self._unsaved), err)
        self._trouble = DiskFull(f"the executor's store takes no changes: {err}").info()
        asyncio.get_running_loop().call_later(_SAVE_AGAIN_S, self.post, events.Ticked())

    def _pass(self, *names: str) -> None:
        for name in names:
            if name:
                self.checkpoint(name)

    async def _perform(self, action: actions.Action) -> None:
        try:
            await self._act(action)
        except Exception as err:
            log.exception("could not %s", type(action).__name__)
            self._action_failed(action, err)

    async def _act(self, action: actions.Action) -> None:
        match action:
            case actions.StartWorker():
                await self._start_worker(action)
            case actions.Dispatch():
                await self._dispatch(action)
            case actions.Resume(node, run):
                await self._nodes.send(node, keeping.Resume(run, self._logs.log(run).last))
            case actions.Interrupt(node, worker, run):
                await self._nodes.send(node, keeping.SendInterrupt(worker, run))
            case actions.StopWorker(node, worker, grace_s, reason):
                await self._nodes.send(node, keeping.Stop(worker, grace_s, reason))
            case actions.ForgetWorker(node, worker):
                await self._nodes.send(node, keeping.Forget(worker))
            case actions.EndLog(run, outcome, reason):
                end = self._logs.end_with(run, outcome, reason)
                self.post(events.RunEnded(run, end.outcome, end.reason))
            case actions.Save():
                raise AssertionError("saves are stored together")

    async def _start_worker(self, action: actions.StartWorker) -> None:
        message = link.StartWorker(
            worker=action.worker,
            session=action.session,
            python=action.python,
            devices=list(action.devices),
            cwd=action.cwd,
        )
        await self._guarded("start-worker", self._nodes.send(action.node, message))

    async def _dispatch(self, action: actions.Dispatch) -> None:
        run = self.machine.run(action.run)
        if run is None or run.state is RunState.ENDED:
            return
        message = keeping.Execute(action.worker, action.run, run.request.payload, run.aside)
        await self._guarded("dispatch", self._nodes.send(action.node, message))

    async def _guarded(self, step: str, doing: Awaitable[bool]) -> None:
        self.checkpoint(f"before-{step}")
        await doing
        self.checkpoint(f"after-{step}")

    def _action_failed(self, action: actions.Action, err: Exception) -> None:
        """Stop what cannot be done for a reason, rather than have it wait for ever."""
        reason = err.info() if isinstance(err, FarcellError) else FarcellError(f"the executor failed: {err!r}").info()
        match action:
            case actions.StartWorker(session=session):
                self.post(events.SessionStopRequested(session, reason, 0.0))
            case actions.Dispatch(run=run):
                self.post(events.RunRefused(run, reason))

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.machine.next_deadline()
        if deadline is not None:
            delay = max(0.0, deadline - self.clock.now())
            self._timer = asyncio.get_running_loop().call_later(delay, self.post, events.Ticked())

    async def _settle_ended(self) -> None:
        """Group commit: whatever ended while the last fsync was under way shares the next one."""
        while True:
            await self._ended.wait()
            self._ended.clear()
            await self._make_safe()

    async def _make_safe(self) -> None:
        try:
            await self._logs.sync()
            await self._store.flush()
        except Exception:
            log.exception("could not make ended runs safe against a power cut")


def _fail(done: asyncio.Future[None] | None, err: Exception, event: events.Event) -> None:
    if not isinstance(err, FarcellError):
        log.error("the machine failed at %s", type(event).__name__, exc_info=err)
    if done is not None and not done.done():
        done.set_exception(err)
