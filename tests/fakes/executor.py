"""A small executor that speaks the real routes and messages over real sockets, and executes nothing.

A run's payload is JSON, `Play`: what it prints. In a test it serves from a thread of its own; as a program it is an
embedded executor: `python executor.py --embedded --ready-fd N`, with its data where `places` says.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

from farcell_protocol.errors import ErrorInfo
from farcell_protocol.frames import End, Heard, Message
from farcell_protocol.framing import pack
from farcell_protocol.ids import RunId, SessionId, TellId
from farcell_protocol.messages import api
from farcell_protocol.messages.cells import Told, decode_told
from farcell_protocol.places import data_directory, places

TOKEN = "t-stubstubstub.secret"
_decoder: "msgspec.msgpack.Decoder[api.FromClient]" = msgspec.msgpack.Decoder(api.FromClient)


class Play(msgspec.Struct):
    """`lines` numbered lines of `size_bytes` each; the end waits for the test when `held`."""

    lines: int = 1
    size_bytes: int = 0
    held: bool = False


@dataclass
class Run:
    """A run's log and its followers' bell."""

    view: api.RunView
    play: Play
    frames: list[bytes] = field(default_factory=list)
    times_executed: int = 0
    held: bool = False
    told: dict[TellId, Told] = field(default_factory=dict)
    """What it was told, each once, in the order in which it came."""
    bell: asyncio.Event = field(default_factory=asyncio.Event)

    def ring(self) -> None:
        self.bell.set()
        self.bell = asyncio.Event()


@dataclass
class Executor:
    """The ASGI application. Its fields are the switches of a test."""

    token: str = TOKEN
    protocol: str = "1;1"
    version: str = "0.1.0"
    frames_at_once: int = 50
    skip_frame: int | None = None
    """This frame is left out once, as a faulty executor might."""
    drop_submits: int = 0
    """So many requests end their connection before anything came of them."""
    close_submits_with: int | None = None
    """Each request ends its connection with this code."""
    rejects_bare: bool = False
    """Refuse websockets with a bare 403, as most servers do."""
    drop_tells: int = 0
    """So many of what runs are told get lost on the way."""
    runs: dict[RunId, Run] = field(default_factory=dict)
    said: list[api.FromClient] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    on_leave: Callable[[], None] = lambda: None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._stream(scope, receive, send)

    # ---- REST ---------------------------------------------------------------------------------------

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (event := await receive())["type"] == "http.request":
            body += event["body"]
            if not event.get("more_body"):
                break
        method, path = scope["method"], scope["path"].removeprefix("/v1")
        self.asked.append((method, path))
        status, answer = self._refusal(scope) or self._route(method, path, body)
        content = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
        headers = [(b"content-type", b"application/json"), (b"farcell-protocol", self.protocol.encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})
        if path in ("/drain", "/stop"):
            self.on_leave()

    def _refusal(self, scope: Any) -> tuple[int, Any] | None:
        headers = dict(scope["headers"])
        newest, oldest = (int(part) for part in headers[b"farcell-protocol"].split(b";"))
        ours_newest, ours_oldest = (int(part) for part in self.protocol.split(";"))
        if min(newest, ours_newest) < max(oldest, ours_oldest):
            return 426, ErrorInfo("version-mismatch", "said by the executor", {"ours": ours_newest, "theirs": newest})
        if headers.get(b"authorization") != f"Bearer {self.token}".encode():
            return 401, ErrorInfo("unauthorized", "no")
        return None

    def _route(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        match method, path.strip("/").split("/"):
            case "GET", ["status"]:
                newest, oldest = (int(part) for part in self.protocol.split(";"))
                return 200, api.ExecutorView(self.version, newest, oldest, 1.0, pid=os.getpid())
            case "POST", ["stop" | "drain"]:
                return 200, {}
            case "GET", ["nodes" | "sessions"]:
                return 200, []
            case "POST", ["devices", "simulate"]:
                gpus = msgspec.json.decode(body, type=api.Simulate).gpus
                return 200, [api.DeviceView("d", "n", gpus, 0, simulated=True)]  # type: ignore[arg-type]
            case "GET", ["runs"]:
                return 200, [run.view for run in self.runs.values()]
            case _, ["runs", run, *rest] if run in self.runs:
                return self._run_route(self.runs[RunId(run)], rest)
        return 404, ErrorInfo("not-found", f"there is no {path}", {"path": path})

    def _run_route(self, run: Run, rest: list[str]) -> tuple[int, Any]:
        match rest:
            case ["output"]:
                return 200, b"".join(run.frames)
            case ["interrupt" | "cancel"]:
                self.finish(run)
                return 200, {}
        return 200, run.view

    # ---- the stream ---------------------------------------------------------------------------------

    async def _stream(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        refused = self._refusal(scope)
        if refused is not None and self.rejects_bare:
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = [(b"farcell-protocol", self.protocol.encode())]
        if refused is not None:
            await send({"type": "websocket.http.response.start", "status": refused[0], "headers": headers})
            await send({"type": "websocket.http.response.body", "body": msgspec.json.encode(refused[1])})
            return
        await send({"type": "websocket.accept", "headers": headers})
        following: dict[RunId, asyncio.Task[None]] = {}
        try:
            while (event := await receive())["type"] == "websocket.receive":
                message = _decoder.decode(event["bytes"])
                self.said.append(message)
                code = self._hung_up(message)
                if code is not None:
                    await send({"type": "websocket.close", "code": code})
                    return
                await self._obey(message, following, send)
        finally:
            for task in following.values():
                task.cancel()

    def _hung_up(self, message: api.FromClient) -> int | None:
        if not isinstance(message, api.Submit):
            return None
        if self.drop_submits:
            self.drop_submits -= 1
            return 1012
        return self.close_submits_with

    async def _obey(self, message: api.FromClient, following: dict[RunId, "asyncio.Task[None]"], send: Any) -> None:
        match message:
            case api.Submit(request=request):
                if request.gpu == "H100":
                    error = ErrorInfo("no-device-fits", "there is no H100 here", {"have": []})
                    await send(_binary(api.Refused(request.run, error)))
                    return
                self._begin(request)
                self._follow(request.run, 0, following, send)
            case api.Follow(run=run, after=after):
                if run not in self.runs:
                    await send(_binary(api.Refused(run, ErrorInfo("not-found", f"there is no run {run}"))))
                    return
                self._follow(run, after, following, send)
            case api.Unfollow(run=run) if run in following:
                following.pop(run).cancel()
            case api.Interrupt(run=run) | api.Cancel(run=run) if run in self.runs:
                self.finish(self.runs[run])
            case api.Tell(run=run) if run in self.runs and self.runs[run].view.state != "ended":
                self._tell(self.runs[run], message)

    def _tell(self, run: Run, message: api.Tell) -> None:
        if self.drop_tells:
            self.drop_tells -= 1
            return
        if message.tell not in run.told:
            run.told[message.tell] = decode_told(message.payload)
            run.frames.append(pack(Heard([message.tell])))
            run.ring()

    def _follow(self, run: RunId, after: int, following: dict[RunId, "asyncio.Task[None]"], send: Any) -> None:
        if run in following:
            following[run].cancel()
        following[run] = asyncio.create_task(self._send_frames(self.runs[run], after, send))

    def _begin(self, request: api.RunRequest) -> None:
        if request.run in self.runs:
            return
        comms = request.kind == "comms"
        play = Play(lines=0, held=True) if comms else msgspec.json.decode(request.payload, type=Play)
        view = api.RunView(request.run, SessionId("s-1"), "running", request.title, request.gpu, "", "", time.time())
        run = self.runs[request.run] = Run(view, play, times_executed=1, held=play.held)
        pad = "." * play.size_bytes
        lines = (Message("stream", {"name": "stdout", "text": f"{n}{pad}\n"}) for n in range(1, play.lines + 1))
        run.frames += [pack(line) for line in lines]
        if not play.held:
            self.finish(run)

    def finish(self, run: Run) -> None:
        """End the run."""
        if run.view.state != "ended":
            run.frames.append(pack(End("ok")))
            run.view = msgspec.structs.replace(run.view, state="ended", outcome="ok", frames=len(run.frames))
            run.ring()

    async def _send_frames(self, run: Run, after: int, send: Any) -> None:
        shown = run.view if run.view.state != "ended" else msgspec.structs.replace(run.view, state="running")
        await send(_binary(api.RunChanged(shown)))
        while True:
            bell = run.bell
            while after < len(run.frames):
                some = run.frames[after : after + self.frames_at_once]
                if self.skip_frame is not None and after < self.skip_frame <= after + len(some):
                    after, self.skip_frame = self.skip_frame, None
                    continue
                await send(_binary(api.RunFrames(run.view.run, after + 1, [msgspec.Raw(one) for one in some])))
                after += len(some)
                await asyncio.sleep(0)
            if run.view.state == "ended":
                await send(_binary(api.RunChanged(run.view)))
                return
            await bell.wait()


def _binary(message: api.ToClient) -> dict[str, object]:
    return {"type": "websocket.send", "bytes": pack(message)}


def _server(app: Executor) -> uvicorn.Server:
    class Quiet(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        ws="websockets-sansio",
        ws_max_size=64 * 2**20,
        ws_per_message_deflate=False,
        loop="asyncio",
        timeout_graceful_shutdown=0,
    )
    return Quiet(config)


class Served:
    """An `Executor` at work in a thread: on a Unix socket if `at` is a path, else on a loopback port."""

    def __init__(self, app: Executor, at: Path | int = 0) -> None:
        self.app = app
        self._server = _server(app)
        if isinstance(at, Path):
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.bind(str(at))
            self.url = f"unix://{at}"
        else:
            # With the protocol left at 0, asyncio does not set TCP_NODELAY on what it accepts: 44 ms a cell.
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(("127.0.0.1", at))
            self.port = self._socket.getsockname()[1]
            self.url = f"http://127.0.0.1:{self.port}"
        self._socket.listen()
        for run in app.runs.values():
            run.bell = asyncio.Event()  # an event belongs to the loop that first waited for it
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._server.serve(sockets=[self._socket]))
        self._loop.close()

    def do(self, what: Callable[[], object]) -> None:
        """Call `what` in its thread."""
        self._loop.call_soon_threadsafe(what)

    def close(self) -> None:
        """Break all connections and stop listening."""
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10)
        self._socket.close()

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def play(**what: Any) -> bytes:
    """The payload of a run."""
    return msgspec.json.encode(Play(**what))


def _embedded(ready: int) -> None:
    here = places(data_directory(os.environ, Path.home()), os.environ, os.getuid())
    here.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    here.runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(here.executor_lock, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    address = f"unix://{here.executor_socket}"
    os.ftruncate(lock, 0)
    os.pwrite(lock, json.dumps({"pid": os.getpid(), "address": address}).encode(), 0)
    os.close(os.open(here.token_file, os.O_CREAT | os.O_WRONLY, 0o600))
    here.token_file.write_text(TOKEN)
    with (here.data / "starts").open("a") as starts:
        starts.write(f"{os.getpid()} {os.getsid(0)} {os.getcwd()} {signal.pthread_sigmask(signal.SIG_BLOCK, [])}\n")
    here.executor_socket.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        os.umask(0o177)
        listener.bind(str(here.executor_socket))
        listener.listen()
        app = Executor(version=os.environ.get("STUB_VERSION", "0.1.0"), protocol=os.environ.get("STUB_PROTOCOL", "1;1"))
        server = _server(app)
        app.on_leave = lambda: setattr(server, "should_exit", True)
        signal.signal(signal.SIGTERM, lambda *_: setattr(server, "should_exit", True))
        os.write(ready, b"1")
        os.close(ready)
        asyncio.run(server.serve(sockets=[listener]))


if __name__ == "__main__":
    if os.environ.get("STUB_FAILS"):
        sys.exit(f"cannot start: {os.environ['STUB_FAILS']}")
    if os.environ.get("STUB_HANGS"):
        signal.pause()
    _embedded(int(sys.argv[sys.argv.index("--ready-fd") + 1]))
