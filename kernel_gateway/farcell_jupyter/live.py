"""The browser's websocket: `relay` under Jupyter's own rules of who may connect."""

import asyncio
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado.web import HTTPError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from farcell_jupyter import upstream
from farcell_jupyter.relay import Relay


class LiveHandler(WebSocketMixin, WebSocketHandler, JupyterHandler):
    """Frames and changes of state, as they happen; see `messages`."""

    auth_resource = "farcell"
    _relay: Relay
    _task: "asyncio.Task[None] | None" = None

    @ws_authenticated
    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Become a websocket, for whom may execute things here."""
        allowed = self.authorizer.is_authorized(self, self.current_user, "execute", self.auth_resource)
        if not await ensure_async(allowed):
            raise HTTPError(403)
        await super().get(*args, **kwargs)

    def open(self, *args: Any, **kwargs: Any) -> None:
        """The browser is there."""
        super().open(*args, **kwargs)
        self._relay = Relay(upstream.find, self._send)
        self._task = asyncio.create_task(self._run(), name="relay to a browser")

    async def on_message(self, message: str | bytes) -> None:
        """The browser said something."""
        try:
            await self._relay.hear(message)
        except WebSocketClosedError:
            return

    def on_close(self) -> None:
        """The browser is gone."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            await self._relay.run()
        except WebSocketClosedError:
            return
        except Exception:
            self.log.exception("the link between a browser and the executor failed")
            self.close(1011, "the Jupyter server's log says more")

    async def _send(self, body: bytes) -> None:
        await self.write_message(body)
