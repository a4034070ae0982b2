"""A real Jupyter server with our extension in the test's own loop, before a real executor."""

import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.serverapp import ServerApp
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.unit.executor.service import DEADLINE_S

TOKEN = "the-token-of-the-jupyter-server"


@dataclass
class JupyterServer:
    """A server on the loopback, and requests to it. Everything it ever said is kept in `heard`."""

    app: ServerApp
    port: int
    heard: list[str] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def fetch(self, method: str, path: str, body: object = None, **options: Any) -> HTTPResponse:
        """A request with the server's token, unless `headers` are given."""
        headers = options.pop("headers", {"Authorization": f"token {TOKEN}"})
        request = HTTPRequest(
            f"{self.origin}/{path}",
            method=method,
            headers=headers,
            body=None if method in ("GET", "DELETE") else json.dumps(body or {}),
            request_timeout=DEADLINE_S,
            **options,
        )
        response = await AsyncHTTPClient().fetch(request, raise_error=False)
        self.heard.append(f"{response.headers}\n{response.body.decode(errors='replace')}")
        return response

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """The answer to a request that succeeds."""
        response = await self.fetch(method, f"farcell/{path}", body)
        assert response.code < 300, response.body
        return json.loads(response.body)

    async def refusal(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        """Status and reason code of a request that fails."""
        response = await self.fetch(method, f"farcell/{path}", body)
        return response.code, json.loads(response.body)["code"]

    @asynccontextmanager
    async def live(self, **headers: str) -> AsyncIterator["Browser"]:
        """A browser's websocket."""
        url = f"ws://127.0.0.1:{self.port}/farcell/live"
        request = HTTPRequest(url, headers=headers or {"Authorization": f"token {TOKEN}"}, connect_timeout=DEADLINE_S)
        link = await websocket_connect(request)
        try:
            yield Browser(link, self.heard)
        finally:
            link.close()


@dataclass
class Browser:
    """What a page says and hears."""

    link: WebSocketClientConnection
    heard: list[str]

    async def say(self, kind: str, **fields: object) -> None:
        await self.link.write_message(json.dumps({"type": kind, **fields}))

    async def hear(self) -> dict[str, Any]:
        text = await self.link.read_message()
        assert text is not None, "the server closed the websocket"
        self.heard.append(text)
        return json.loads(text)

    async def until(self, kind: str) -> dict[str, Any]:
        """The next message of this kind; what comes before is dropped."""
        while (message := await self.hear())["type"] != kind:
            continue
        return message


@asynccontextmanager
async def jupyter_server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[JupyterServer]:
    """A server whose every file is in `folder`, on a free port, for as long as the context lasts."""
    folder.mkdir()
    for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
        monkeypatch.setenv(f"JUPYTER_{name}", str(folder / name.lower()))
    monkeypatch.setenv("JUPYTER_NO_CONFIG", "1")  # has Jupyter make an empty folder instead, which it never removes
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    ServerApp.clear_instance()
    app = ServerApp.instance(
        jpserver_extensions={"farcell_jupyter": True},
        root_dir=str(folder),
        open_browser=False,
        allow_root=True,
        ip="127.0.0.1",
        log_level="ERROR",
    )
    app.config.IdentityProvider.token = TOKEN
    app.init_signal = lambda: None
    app.initialize(argv=[], new_httpserver=False, find_extensions=False)
    sockets = bind_sockets(0, "127.0.0.1")
    http = HTTPServer(app.web_app)
    http.add_sockets(sockets)
    try:
        yield JupyterServer(app, sockets[0].getsockname()[1])
    finally:
        http.stop()
        await http.close_all_connections()
        await app._cleanup()
        ServerApp.clear_instance()
