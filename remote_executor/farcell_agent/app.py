"""Builds an agent from its parts: embedded in an executor's process, or as a process of its own."""

import asyncio
import logging
import os
import platform
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from farcell_agent.agent import Agent, Identity
from farcell_agent.backends.process import ProcessBackend
from farcell_agent.backoff import Backoff
from farcell_agent.devices import Devices
from farcell_agent.keeper import KEEPER_COMMAND, dismiss_keeper, private_directory
from farcell_agent.keeper_client import KeeperClient
from farcell_agent.link import ExecutorEnd, Link, link_pair
from farcell_agent.node import agent_lock, boot_id, node_id
from farcell_agent.nvml import Nvml
from farcell_agent.simulated import SimulatedDevices
from farcell_agent.workers import Surroundings, Workers
from farcell_protocol.errors import BadRequest, Unauthorized
from farcell_protocol.messages.link import FromAgent, ToAgent
from farcell_protocol.places import Places, data_directory, places

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
        BadSpec: `simulate` cannot be read.
    """
    private_directory(places.data)
    with agent_lock(places):
        devices = _devices(places, simulate, nvml)
        surroundings = Surroundings(True, places.scratch, worker_memory_bytes)
        agent = _agent(places, node_name, devices, surroundings, interpreter, log, keeper_command)
        ours, theirs = link_pair()
        embedded = EmbeddedAgent(theirs)
        serving = asyncio.create_task(_serve_until_closed(agent, ours, log), name="embedded agent")
        try:
            yield embedded
        finally:
            await theirs.close()
            # It obeys what it was told before; a keeper that cannot be reached must not hold us up.
            await asyncio.wait({serving}, timeout=_LAST_WORDS_S)
            serving.cancel()
            await asyncio.wait({serving})
            _leave(places, devices, for_good=embedded.for_good)


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
        Unauthorized: there is no token.
        BadRequest: `url`, `simulate` or a variable cannot be read.
    """
    home = data.absolute() if data else data_directory(environ, Path.home()) / "agent"
    where = places(home, environ, os.getuid())
    memory = _memory(environ)
    token = _token_source(token_file, environ)
    token()
    private_directory(where.data)
    with agent_lock(where):
        devices = _devices(where, simulate, None)
        agent = _agent(
            where, name, devices, Surroundings(False, where.scratch, memory), sys.executable, logger, KEEPER_COMMAND
        )
        try:
            asyncio.run(_until_told(_stay_linked(agent, url, token)))
        finally:
            _leave(where, devices, for_good=False)


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


async def _stay_linked(agent: Agent, url: str, token: Callable[[], str]) -> None:
    from farcell_agent.websocket_link import Dialler  # 80 ms that an embedded agent need not wait for

    dialler = Dialler(url, token, logger)
    async with aclosing(dialler.links()) as links:
        async for link in links:
            try:
                refusal = await agent.serve(link)
            except Exception:
                logger.exception("the agent failed and begins again")
                continue
            if refusal is not None:
                dialler.refused(f"{refusal.message} ({refusal.code})")


async def _until_told(doing: Coroutine[object, object, None]) -> None:
    task = asyncio.ensure_future(doing)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        logger.info("leaving; workers keep running")


def _agent(
    where: Places,
    name: str,
    devices: Devices,
    surroundings: Surroundings,
    interpreter: str,
    log: logging.Logger,
    keeper_command: Sequence[str],
) -> Agent:
    node = node_id(where.node_file)
    identity = Identity(node, boot_id(), name or platform.node() or node, surroundings.embedded)
    keeper = KeeperClient(where, interpreter, log=log, command=keeper_command)
    return Agent(identity, ProcessBackend(keeper), devices, Workers(surroundings, devices), log)


def _devices(where: Places, simulate: str, nvml: Nvml | None) -> Devices:
    simulated = SimulatedDevices(node_id(where.node_file), where.simulated_devices)
    simulated.add(simulate)
    return Devices(nvml or Nvml(), simulated)


def _leave(where: Places, devices: Devices, *, for_good: bool) -> None:
    devices.close()
    if dismiss_keeper(where, once_idle=for_good):
        devices.simulated.forget()


def _token_source(token_file: Path | None, environ: Mapping[str, str]) -> Callable[[], str]:
    def read() -> str:
        if token_file is None:
            token, source = environ.get("FARCELL_JOIN_TOKEN", ""), "FARCELL_JOIN_TOKEN (without --token-file)"
        else:
            token, source = _text_of(token_file), str(token_file)
        token = token.strip()
        if not token or not token.isascii() or not token.isprintable():
            raise Unauthorized(f"{source} holds no token")
        return token

    return read


def _text_of(token_file: Path) -> str:
    try:
        return token_file.read_text(errors="replace")
    except OSError as err:
        raise Unauthorized(f"cannot read the token: {err}") from err


def _memory(environ: Mapping[str, str]) -> int | None:
    text = environ.get("FARCELL_WORKER_MEMORY", "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise BadRequest(f"FARCELL_WORKER_MEMORY={text!r} must be a number of bytes above 0", value=text)
    return int(text)
