"""An executor's `/v1/agents`, and no more of it: it checks the token and hands each agent's connection to the test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve, unix_serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from farcell_agent.link import LinkClosed
from farcell_protocol.framing import MAX_RECORD_BYTES, pack
from farcell_protocol.messages.link import AgentHello, FromAgent, ToAgent
from tests.fakes.executor_end import Executor

TOKEN = "t-0123456789ab.secret"


class ServerEnd:
    """The executor's end of a websocket link."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self._decoder: msgspec.msgpack.Decoder[FromAgent] = msgspec.msgpack.Decoder(FromAgent)

    async def send(self, message: ToAgent) -> None:
        try:
            await self.socket.send(pack(message))
        except ConnectionClosed as err:
            raise LinkClosed from err

    async def receive(self) -> FromAgent:
        try:
            return self._decoder.decode(await self.socket.recv(decode=False))
        except ConnectionClosed as err:
            raise LinkClosed from err

    async def close(self) -> None:
        await self.socket.close()

    def cut(self) -> None:
        """As if the network went away: no goodbye."""
        self.socket.transport.abort()


class FakeExecutor:
    """Agents connect; the test accepts them one by one."""

    def __init__(self, token: str = TOKEN) -> None:
        self.token = token
        self.status: HTTPStatus | None = None
        self.refusal = "no\n"
        self.refusals = asyncio.Semaphore(0)
        self.requests: list[Request] = []
        self._accepted: asyncio.Queue[ServerEnd] = asyncio.Queue()
        self._server: Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, path: Path | None = None) -> None:
        """Listen, at the same port again after a `stop`."""
        if path is not None:
            self._server = await unix_serve(
                self._serve, path, process_request=self._check, max_size=MAX_RECORD_BYTES, close_timeout=0.5
            )
            return
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            self.port,
            process_request=self._check,
            max_size=MAX_RECORD_BYTES,
            close_timeout=0.5,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        """Die: connections are cut, the port is closed."""
        if self._server is not None:
            for connection in self._server.connections:
                connection.transport.abort()
            self._server.close()
            await self._server.wait_closed()

    async def link(self) -> ServerEnd:
        """The next connection of an agent."""
        async with asyncio.timeout(10):
            return await self._accepted.get()

    async def agent(self) -> Executor:
        """The next connection, its hello read."""
        link = await self.link()
        async with asyncio.timeout(10):
            hello = await link.receive()
        assert isinstance(hello, AgentHello)
        return Executor(link, hello)

    async def refused(self) -> None:
        """Wait until one more agent was turned away."""
        async with asyncio.timeout(10):
            await self.refusals.acquire()

    async def _serve(self, socket: ServerConnection) -> None:
        self._accepted.put_nowait(ServerEnd(socket))
        await socket.wait_closed()

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        status = self.status
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            status = HTTPStatus.UNAUTHORIZED
        if status is None:
            return None
        self.refusals.release()
        return connection.respond(status, self.refusal)


@asynccontextmanager
async def fake_executor(path: Path | None = None) -> AsyncIterator[FakeExecutor]:
    """One that listens."""
    made = FakeExecutor()
    await made.start(path)
    try:
        yield made
    finally:
        await made.stop()
