"""The driver: the one loop that owns time. Events go into the machine, its actions are performed, in order.

For each batch of events: the machine decides, all `Save`s go into one transaction, then the other
actions are performed, then whoever follows the changed nouns is told. Nothing here waits for the
disk or for a node: ended runs are fsynced by a task beside the loop, and each link has a task that sends.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from farcell_executor.checkpoints import Checkpoint, no_checkpoint
from farcell_executor.clock import Clock
from farcell_executor.model import Run, RunState
from farcell_executor.performing import Nodes, Performer
from farcell_executor.runlogs import RunLogs
from farcell_executor.saving import Saver
from farcell_executor.scheduling import actions, events
from farcell_executor.scheduling.books import REMEMBERED_RUNS
from farcell_executor.scheduling.machine import Machine
from farcell_executor.store.base import Noun, Store
from farcell_protocol.errors import ErrorInfo
from farcell_protocol.ids import TellId
from farcell_protocol.messages import keeping

_BATCH = 256
_ALL = 1_000_000

log = logging.getLogger(__name__)


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
        self._saver = Saver(store, logs, self._pass, lambda: self.post(events.Ticked()))
        self._performer = Performer(machine, logs, nodes, self.post, self._pass)
        self._inbox: deque[tuple[events.Event, asyncio.Future[None] | None]] = deque()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def trouble(self) -> ErrorInfo | None:
        """Why the store takes nothing at present; new runs are refused with it."""
        return self._saver.trouble

    def unsaved(self, key: str) -> Noun | None:
        """A noun's newest state while the store does not have it: being saved just now, or refused for the moment."""
        return self._saver.unsaved(key)

    def post(self, event: events.Event) -> None:
        """Have the event handled soon."""
        self._inbox.append((event, None))
        self._wake.set()

    async def feed(self, event: events.Event) -> None:
        """Have the event handled, and wait until what follows from it is stored and set in motion.

        Raises:
            Exception: the machine failed at it, which is a fault of ours and in the log.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._inbox.append((event, done))
        self._wake.set()
        await done

    async def settle(self) -> None:
        """Handle what has arrived so far, and make what has ended safe against a power cut."""
        await self.feed(events.Ticked())
        await self._saver.make_safe()

    def tell(self, run: Run, tell: TellId, payload: bytes) -> None:
        """Pass something on to a run that executes. Nothing is decided, so no event is made of it."""
        worker = self.machine.workers.get(run.worker) if run.worker else None
        if worker is not None and run.state is RunState.RUNNING:
            self._nodes.send(worker.node, keeping.Tell(worker.id, run.id, tell, payload))

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
            tasks.create_task(self._saver.settle_ended(), name="settle ended runs")
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
        await self._saver.save(nouns)
        for action in wanted:
            if not isinstance(action, actions.Save):
                self._performer.perform(action)
        self._announce(nouns)
        for done in finished:
            if not done.done():
                done.set_result(None)

    def _pass(self, name: str) -> None:
        self.checkpoint(name)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.machine.next_deadline()
        if deadline is not None:
            delay = max(0.0, deadline - self.clock.now())
            self._timer = asyncio.get_running_loop().call_later(delay, self.post, events.Ticked())


def _fail(done: asyncio.Future[None] | None, err: Exception, event: events.Event) -> None:
    log.error("the machine failed at %s", type(event).__name__, exc_info=err)
    if done is not None and not done.done():
        done.set_exception(err)
