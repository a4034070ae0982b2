"""Serves one executor on its sockets until it leaves: uvicorn, with signals and sockets in our hands."""

import asyncio
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager

import uvicorn

from farcell_executor.api.routes import api
from farcell_executor.app import running
from farcell_executor.executor import Executor
from farcell_executor.ground import ListenAt, stay_reachable
from farcell_executor.settings import Settings
from farcell_host.door import Door
from farcell_host.locks import LockFile
from farcell_protocol.framing import MAX_RECORD_BYTES
from farcell_protocol.pings import PING_S, SILENCE_S

MAX_MESSAGE_BYTES = MAX_RECORD_BYTES + 2**20
_LAST_ANSWERS_S = 3


class _Server(uvicorn.Server):
    """Leaves signals alone: uvicorn would end the process by the signal it caught, before we have closed anything."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    async def listen_too(self, listener: socket.socket) -> None:
        """Serve on one more socket; it is closed with the others."""
        earlier = self.servers
        await super().startup([listener])
        self.servers = [*earlier, *self.servers]


async def serve_until_told(
    settings: Settings,
    sockets: list[socket.socket],
    lock: LockFile,
    door: Door,
    on_ready: Callable[[Executor], None],
) -> None:
    """Run an executor on these sockets until SIGTERM, SIGINT, `stop`, `drain` or idleness. Workers go on.

    They end with it where its data directory is gone: nobody could find them any more.
    """
    async with running(settings) as executor:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, executor.drain)
        # A daemon has no terminal whose end would matter; one in the foreground outlives its terminal's.
        loop.add_signal_handler(signal.SIGHUP, lambda: None)
        await serve(executor, sockets, on_ready, lambda listen_too: stay_reachable(executor, lock, door, listen_too))


async def serve(
    executor: Executor,
    sockets: list[socket.socket],
    on_ready: Callable[[Executor], None],
    beside: Callable[[ListenAt], Coroutine[None, None, None]] | None = None,
) -> None:
    """Serve the API until `executor.leaving` is set, and then what was already asked.

    `beside` runs meanwhile, from when the API is served; it is given the way to serve on one more socket.
    """
    ready = asyncio.Event()
    server = _Server(_config(executor), ready.set)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve(sockets=sockets), name="serve")
        await ready.wait()
        on_ready(executor)
        watching = tasks.create_task(beside(server.listen_too), name="stay reachable") if beside else None
        await executor.leaving.wait()
        if watching is not None:
            watching.cancel()
        server.should_exit = True


def _config(executor: Executor) -> uvicorn.Config:
    return uvicorn.Config(
        api(executor),
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=PING_S,
        ws_ping_timeout=SILENCE_S,
        # Halves the rate on a local link, and output is sent once.
        ws_per_message_deflate=False,
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_LAST_ANSWERS_S,
    )
