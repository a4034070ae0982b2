"""Builds an agent from its parts: embedded in an executor's process, or as a process of its own."""

import asyncio
import logging
import os
import platform
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from farcell_agent.agent import Agent, NodeIdentity
from farcell_agent.backends.process import ProcessBackend
from farcell_agent.devices import Devices
from farcell_agent.keeper import KEEPER_COMMAND, dismiss_keeper
from farcell_agent.keeper_client import KeeperClient
from farcell_agent.link import ExecutorEnd, Link, link_pair
from farcell_agent.node import agent_lock, boot_id, node_id
from farcell_agent.nvml import Nvml
from farcell_agent.settings import token_source
from farcell_agent.simulated import SimulatedDevices
from farcell_agent.workers import Surroundings, Workers
from farcell_host.directories import private_directory
from farcell_host.environment import bytes_from
from farcell_protocol.backoff import Backoff
from farcell_protocol.messages.link import FromAgent, ToAgent
from farcell_protocol.places import Places, data_directory, places

if TYPE_CHECKING:
    from farcell_agent.websocket_link import Dialler

_LAST_WORDS_S = 3.0

logger = logging.getLogger("farcell_agent")


class EmbeddedAgent:
    """What an executor holds of the agent in its own process: its end of the link."""

    def __init__(self, link: ExecutorEnd) -> None:
        self._link = link
        self.for_good = False

    async def send(self, message: ToAgent) -> None:
        """Hand a message to the agent; waits only when it is many megabytes behind."""
        await self._link.send(message)

    async def receive(self) -> FromAgent:
        """The agent's next message, an `AgentHello` first, and again after a cut to the keeper.

        Raises:
            LinkClosed: the agent has left.
        """
        return await self._link.receive()

    async def close(self) -> None:
        """End the link; may be called twice."""
        await self._link.close()

    def leave_for_good(self) -> None:
        """This executor will not be followed by another: the keeper is to leave after its last worker."""
        self.for_good = True


@asynccontextmanager
async def embedded_agent(
    places: Places,
    *,
    node_name: str = "",
    simulate: str = "",
    interpreter: str = sys.executable,
    log: logging.Logger = logger,
    worker_memory_bytes: int | None = None,
    nvml: Nvml | None = None,
    keeper_command: Sequence[str] = KEEPER_COMMAND,
) -> AsyncIterator[EmbeddedAgent]:
    """The agent of this host, inside an executor's process, for as long as the context lasts.

    Workers outlive it. A keeper that has nothing left, neither worker nor output, is sent home at the end.

    Raises:
        DataDirectoryInUse: another agent runs on this data directory.
        DirectoryNotOurs: it belongs to another user.
        BadSpec: `simulate` cannot be read.
    """
    parts = Parts(places, node_name, True, simulate, interpreter, worker_memory_bytes, nvml, keeper_command, log)
    with node_agent(parts) as running:
        ours, theirs = link_pair()
        embedded = EmbeddedAgent(theirs)
        serving = asyncio.create_task(_serve_until_closed(running.agent, ours, log), name="embedded agent")
        try:
            yield embedded
        finally:
            running.for_good = embedded.for_good
            await theirs.close()
            # It obeys what it was told before; a keeper that cannot be reached must not hold us up.
            await asyncio.wait({serving}, timeout=_LAST_WORDS_S)
            serving.cancel()
            await asyncio.wait({serving})


def run_agent(
    url: str,
    *,
    token_file: Path | None = None,
    data: Path | None = None,
    simulate: str = "",
    name: str = "",
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Be this host's agent for the executor at `url` until SIGTERM or SIGINT; workers keep running.

    The token is read from `token_file` at each attempt, so that a new one can be put there, else from
    `FARCELL_JOIN_TOKEN`. The data directory, by default `agent` in the usual one, is this agent's alone.

    Raises:
        DataDirectoryInUse: another agent runs on this data directory.
        DirectoryNotOurs: it belongs to another user.
        Unauthorized: there is no token.
        BadRequest: `url`, `simulate` or a variable cannot be read.
    """
    from farcell_agent.websocket_link import Dialler  # 80 ms that an embedded agent need not wait for

    home = data.absolute() if data else data_directory(environ, Path.home()) / "agent"
    where = places(home, environ, os.getuid())
    token = token_source(token_file, environ)
    token()
    dialler = Dialler(url, token, logger)
    parts = Parts(where, name, simulate=simulate, worker_memory_bytes=bytes_from(environ, "FARCELL_WORKER_MEMORY"))
    with node_agent(parts) as running:
        asyncio.run(_until_told(serve_dialled(running.agent, dialler, logger)))


async def serve_dialled(agent: Agent, dialler: "Dialler", log: logging.Logger) -> None:
    """Be the agent of each link that the dialler opens, for ever."""
    async with aclosing(dialler.links()) as links:
        async for link in links:
            try:
                refusal = await agent.serve(link)
            except Exception:
                log.exception("the agent failed and begins again")
                continue
            if refusal is not None:
                dialler.refused(f"{refusal.message} ({refusal.code})")


@dataclass(frozen=True)
class Parts:
    """What an agent is made of."""

    places: Places
    name: str = ""
    embedded: bool = False
    simulate: str = ""
    interpreter: str = sys.executable
    worker_memory_bytes: int | None = None
    nvml: Nvml | None = None
    keeper_command: Sequence[str] = KEEPER_COMMAND
    log: logging.Logger = logger


@dataclass
class RunningAgent:
    """An agent on its data directory; `for_good` says at the end that no other will follow it."""

    agent: Agent
    for_good: bool = False


@contextmanager
def node_agent(parts: Parts) -> Iterator[RunningAgent]:
    """An agent that holds its data directory. At the end a keeper that has nothing left is sent home.

    Raises:
        DataDirectoryInUse: another agent runs on this data directory.
        DirectoryNotOurs: it belongs to another user.
        BadSpec: `simulate` cannot be read.
    """
    where = parts.places
    private_directory(where.data)
    with agent_lock(where) as is_held:
        simulated = SimulatedDevices(node_id(where.node_file), where.simulated_devices)
        simulated.add(parts.simulate)
        devices = Devices(parts.nvml or Nvml(), simulated)
        # A separate agent goes on with another keeper in a new directory: its node and its token are known by then.
        may_start = is_held if parts.embedded else lambda: True
        running = RunningAgent(_agent(parts, devices, may_start))
        try:
            yield running
        finally:
            devices.close()
            if is_held() and dismiss_keeper(where, once_idle=running.for_good):
                simulated.forget()


def _agent(parts: Parts, devices: Devices, may_start: Callable[[], bool]) -> Agent:
    where = parts.places
    node = node_id(where.node_file)
    identity = NodeIdentity(node, boot_id(), parts.name or platform.node() or node, parts.embedded)
    surroundings = Surroundings(parts.embedded, where.scratch, parts.worker_memory_bytes)
    keeper = KeeperClient(where, parts.interpreter, log=parts.log, command=parts.keeper_command, may_start=may_start)
    return Agent(identity, ProcessBackend(keeper), devices, Workers(surroundings, devices), parts.log)


async def _serve_until_closed(agent: Agent, link: Link, log: logging.Logger) -> None:
    """A fault of ours costs a new introduction, not the executor whose process this is."""
    backoff = Backoff()
    while True:
        try:
            await agent.serve(link)
        except Exception:
            log.exception("the agent failed and begins again")
            await asyncio.sleep(backoff.next_delay_s())
        else:
            return


async def _until_told(doing: Coroutine[object, object, None]) -> None:
    task = asyncio.ensure_future(doing)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        logger.info("leaving; workers keep running")
