"""A real executor under uvicorn on a Unix socket, in the test's own loop, and clients for it."""

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from websockets.asyncio.client import ClientConnection, unix_connect

from farcell_executor.app import running
from farcell_executor.calls import Caller
from farcell_executor.clock import Clock
from farcell_executor.executor import Executor
from farcell_executor.scheduling import events
from farcell_executor.server import serve
from farcell_executor.settings import Settings
from farcell_executor.sockets import BACKLOG
from farcell_executor.store.base import Store
from farcell_host.sockets import listen_unix
from farcell_protocol.frames import Frame, decode_frame
from farcell_protocol.framing import pack
from farcell_protocol.ids import RunId, new_run_id
from farcell_protocol.messages import api
from farcell_protocol.places import places
from tests.fakes.far_node import FarNode, play

T = TypeVar("T")
_decoder: "msgspec.msgpack.Decoder[api.ToClient]" = msgspec.msgpack.Decoder(api.ToClient)
DEADLINE_S = 10.0
LOOK_AGAIN_S = 0.05


class MovedClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self._time = 1_000_000.0
        self._moved = asyncio.Event()

    @property
    def time(self) -> float:
        return self._time

    @time.setter
    def time(self, moved_to: float) -> None:
        self._time = moved_to
        self._moved.set()

    def now(self) -> float:
        return self._time

    async def sleep(self, seconds: float) -> None:
        until = self._time + seconds
        while self._time < until:
            self._moved.clear()
            await self._moved.wait()


def settings_for(data: Path) -> Settings:
    """Settings of an executor without an agent of its own and, unless the test says otherwise, without a disk."""
    made = Settings(places(data, {}, os.getuid()), "python", memory_store=True, embedded_agent=False)
    made.places.data.mkdir(parents=True, exist_ok=True)
    if len(str(made.places.executor_socket)) > 100 or not str(made.places.runtime).startswith(str(data)):
        made = replace(made, places=replace(made.places, runtime=Path(tempfile.mkdtemp(prefix="farcell-test-"))))
    made.places.runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    return made


@asynccontextmanager
async def serving(
    settings: Settings, *, clock: Clock | None = None, store: Store | None = None
) -> AsyncIterator["Service"]:
    """An executor that serves its socket for as long as the context lasts."""
    settings.places.runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    listener = listen_unix(settings.places.executor_socket, BACKLOG)
    try:
        async with running(settings, clock=clock, store=store) as executor, asyncio.TaskGroup() as tasks:
            ready = asyncio.Event()
            tasks.create_task(serve(executor, [listener], lambda _: ready.set()))
            await ready.wait()
            service = Service(executor)
            try:
                yield service
            finally:
                for task in service.links:
                    task.cancel()
                executor.leaving.set()
    finally:
        listener.close()
        shutil.rmtree(settings.places.runtime)


@dataclass
class Service:
    """A served executor as its tests use it."""

    executor: Executor
    links: list["asyncio.Task[None]"] = field(default_factory=list)

    @property
    def socket_path(self) -> str:
        return str(self.executor.settings.places.executor_socket)

    @property
    def token(self) -> str:
        """The admin's token of the first start."""
        return self.executor.settings.places.token_file.read_text().strip()

    async def join(self, node: FarNode) -> None:
        """Let a node connect, and wait until it is known."""
        self.links.append(asyncio.create_task(self.executor.agents.serve(node.dial())))
        await self.until(lambda: node.id in self.executor.driver.machine.nodes)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a change that makes `condition` true, here or of a fake node, which announces none."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_AGAIN_S):
                        await self.executor.bulletin.until(condition)

    def tick(self) -> None:
        """The clock was moved."""
        self.executor.driver.post(events.Ticked())

    async def token_of(self, user: str, scope: Any = "user") -> str:
        """A new token."""
        return (await self.executor.tokens.create(user, scope))[1]

    async def ask(self, method: str, path: str, kind: type[T] = object, body: object = None, token: str = "") -> T:  # type: ignore[assignment]
        """A REST request, as the commands make it."""
        caller = Caller(f"unix://{self.socket_path}", token or self.token)
        return await asyncio.to_thread(caller.ask, method, path, kind, body)

    async def output(self, run: RunId, token: str = "") -> bytes:
        """What `farcell logs` prints."""
        caller = Caller(f"unix://{self.socket_path}", token or self.token)
        return await asyncio.to_thread(lambda: b"".join(caller.stream("GET", f"/runs/{run}/output")))

    @asynccontextmanager
    async def stream(self, token: str = "", **options: Any) -> AsyncIterator["Client"]:
        """A client on the stream websocket."""
        async with dial(self.socket_path, "/v1/stream", token or self.token, **options) as link:
            yield Client(link)


def dial(path: str, route: str, token: str | None, **options: Any) -> unix_connect:
    """A websocket to an executor's Unix socket."""
    headers = {"Farcell-Protocol": "1;1"} | ({"Authorization": f"Bearer {token}"} if token else {})
    headers |= options.pop("headers", {})
    uri = f"ws://localhost{route}"
    return unix_connect(path, uri=uri, additional_headers=headers, compression=None, max_size=2**27, **options)


@dataclass
class Client:
    """A client's stream: says and hears messages."""

    link: ClientConnection

    async def say(self, message: api.FromClient) -> None:
        await self.link.send(pack(message))

    async def hear(self) -> api.ToClient:
        async with asyncio.timeout(DEADLINE_S):
            return _decoder.decode(await self.link.recv(decode=False))

    async def until_ended(self, run: RunId) -> "Heard":
        """Everything about a run up to its "ended"."""
        heard = Heard()
        while not heard.ended:
            heard.take(await self.hear(), run)
        return heard

    async def until_state(self, run: RunId, state: str) -> api.RunView:
        """The first news that the run is in this state."""
        while True:
            message = await self.hear()
            if isinstance(message, api.RunChanged) and message.view.run == run and message.view.state == state:
                return message.view


@dataclass
class Heard:
    """What a client heard of one run, in order."""

    views: list[api.RunView] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    refusal: api.Refused | None = None

    @property
    def ended(self) -> bool:
        return self.refusal is not None or bool(self.views and self.views[-1].state == "ended")

    @property
    def text(self) -> str:
        return "".join(frame.content["text"] for frame in self.frames if hasattr(frame, "content"))

    def take(self, message: api.ToClient, run: RunId) -> None:
        match message:
            case api.RunChanged(view) if view.run == run:
                self.views.append(view)
            case api.RunFrames(about, first, frames) if about == run:
                self.numbers += range(first, first + len(frames))
                self.frames += [decode_frame(frame) for frame in frames]
            case api.Refused():
                self.refusal = message


def request(payload: bytes = b"", **options: Any) -> api.RunRequest:
    """A run that prints one line, on no GPU."""
    defaults: dict[str, Any] = {"gpu": "cpu", "notebook": "n.ipynb", "title": "print('hi')"}
    return api.RunRequest(
        new_run_id(), payload or play("hi\n"), api.Interpreter("python", "3.11.7"), **defaults | options
    )


def refuse_connections(path: str) -> None:
    """Leave a socket's file behind, as a killed executor does."""
    with suppress(FileNotFoundError), socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(path)
