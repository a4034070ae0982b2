"""The composition root: builds everything, owns the background tasks, closes in reverse."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from farcell_executor.agents import Agents
from farcell_executor.checkpoints import Checkpoint, checkpoint_for
from farcell_executor.clock import Clock, SteadyClock
from farcell_executor.driver import Driver
from farcell_executor.executor import Bulletin, Executor
from farcell_executor.fleet import Fleet
from farcell_executor.followers import Followers
from farcell_executor.idle import IdleWatch
from farcell_executor.links import AgentLink, LinkLost, Links
from farcell_executor.retention import Retention, Rules
from farcell_executor.runlogs import RunLogs
from farcell_executor.runs import Runs
from farcell_executor.scheduling.machine import Machine
from farcell_executor.sessions import Sessions
from farcell_executor.settings import Settings
from farcell_executor.store.base import Store
from farcell_executor.tokens import Tokens
from farcell_executor.views import Views
from farcell_executor.watchers import Watchers
from farcell_host.installed import our_version
from farcell_protocol.messages.link import FromAgent, ToAgent

if TYPE_CHECKING:
    from farcell_agent.app import EmbeddedAgent

log = logging.getLogger("farcell_executor")

_AGENT_AGAIN_S = 1.0
_FIRST_NODE_S = 10.0


@asynccontextmanager
async def running(
    settings: Settings, *, clock: Clock | None = None, store: Store | None = None
) -> AsyncIterator[Executor]:
    """A running executor without its sockets, for as long as the context lasts."""
    checkpoint = checkpoint_for(settings.fault_at)
    async with AsyncExitStack() as stack:
        store = store or _store(settings)
        await store.open()
        stack.push_async_callback(store.close)
        clock = clock or SteadyClock(await _latest_moment(store))
        logs = RunLogs(settings.places.run_logs)
        stack.callback(logs.close)
        tokens = Tokens(store, clock.now)
        await tokens.write_first(settings.places.token_file)
        executor = _build(settings, clock, store, logs, tokens, checkpoint)
        await executor.driver.restore()
        await executor.views.begin()
        await executor.retention.recall()
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        background = [
            tasks.create_task(executor.driver.run(), name="driver"),
            tasks.create_task(executor.retention.run(), name="prune old runs"),
            tasks.create_task(_leave_when_idle(executor), name="leave when idle"),
        ]
        stack.callback(_cancel, background)
        node = tasks.create_task(_embedded_node(executor), name="embedded node") if settings.embedded_agent else None
        if node is not None:
            stack.callback(node.cancel)
        yield executor
        await _leave_politely(executor, node)


async def _latest_moment(store: Store) -> float:
    """When the newest of what an earlier life left going on began, by that life's clock; 0 without any."""
    runs, sessions = await store.runs(unfinished=True), await store.sessions(alive=True)
    moments = [moment for run in runs for moment in (run.created, run.started)]
    moments += [moment for session in sessions for moment in (session.created, session.idle_since)]
    return max(filter(None, moments), default=0.0)


def _store(settings: Settings) -> Store:
    if settings.memory_store:
        from farcell_executor.store.memory import MemoryStore

        return MemoryStore()
    from farcell_executor.store.sql import SqlStore  # imports SQLAlchemy, which a memory store does without

    return SqlStore(settings.places.store)


def _build(
    settings: Settings, clock: Clock, store: Store, logs: RunLogs, tokens: Tokens, checkpoint: Checkpoint
) -> Executor:
    machine, links, followers, bulletin = Machine(node_grace_s=settings.node_grace_s), Links(), Followers(), Bulletin()
    views = Views(machine, store, logs)
    driver = Driver(machine, store, logs, links, clock, announce=bulletin.announce, checkpoint=checkpoint)
    agents = Agents(links, driver, logs, tokens)
    rules = Rules(settings.keep_runs_s, settings.keep_logs_bytes)
    retention = Retention(
        store, logs, clock, rules, lambda run: machine.run(run) is not None or driver.unsaved(run) is not None
    )
    first_node_s = _FIRST_NODE_S if settings.embedded_agent else 0.0
    runs = Runs(driver, store, logs, views, retention, agents.connected, first_node_s)
    watchers = Watchers(machine, views, runs)

    def is_busy() -> bool:
        return bool(machine.sessions or machine.runs or followers.connections)

    idle = IdleWatch(clock, settings.idle_exit_s, is_busy)
    bulletin.readers += [views.note, followers.changed, watchers.changed, lambda _: idle.touch()]
    return Executor(
        settings=settings,
        clock=clock,
        started=clock.now(),
        version=our_version(),
        driver=driver,
        logs=logs,
        tokens=tokens,
        views=views,
        retention=retention,
        runs=runs,
        sessions=Sessions(driver, store),
        followers=followers,
        watchers=watchers,
        fleet=Fleet(driver, links, tokens),
        agents=agents,
        idle=idle,
        bulletin=bulletin,
    )


class _InProcess:
    """The embedded agent's link, which says in its own words that it has ended."""

    def __init__(self, agent: "EmbeddedAgent") -> None:
        from farcell_agent.link import LinkClosed

        self._agent = agent
        self._closed = LinkClosed

    async def send(self, message: ToAgent) -> None:
        """Hand it over."""
        try:
            await self._agent.send(message)
        except self._closed as err:
            raise LinkLost from err

    async def receive(self) -> FromAgent:
        """The agent's next message."""
        try:
            return await self._agent.receive()
        except self._closed as err:
            raise LinkLost from err

    async def close(self) -> None:
        """It ends with its context."""


async def _embedded_node(executor: Executor) -> None:
    """Keep this host's own agent; one that fails is begun again and costs the executor nothing."""
    from farcell_agent.app import embedded_agent

    settings = executor.settings
    while True:
        try:
            async with embedded_agent(
                settings.places,
                simulate=settings.simulate,
                interpreter=settings.interpreter,
                worker_memory_bytes=settings.worker_memory_bytes,
            ) as agent:
                executor.for_good.append(agent.leave_for_good)
                link: AgentLink = _InProcess(agent)
                await executor.agents.serve(link)
        except Exception:
            log.exception("the embedded agent failed and begins again")
        executor.for_good.clear()
        await asyncio.sleep(_AGENT_AGAIN_S)


async def _leave_when_idle(executor: Executor) -> None:
    await executor.idle.wait()
    log.info("nothing has lived here for %.0f s: leaving", executor.settings.idle_exit_s or 0.0)
    executor.drain()


async def _leave_politely(executor: Executor, node: "asyncio.Task[None] | None") -> None:
    """The agent first, which takes its last orders; then what it said is handled. The rest may end after that."""
    if node is not None:
        node.cancel()
        await asyncio.wait({node})
    await executor.driver.settle()


def _cancel(tasks: "list[asyncio.Task[None]]") -> None:
    for task in tasks:
        task.cancel()
