"""Who answers."""

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from farcell_jupyter.routes.base import FarHandler


class StatusHandler(FarHandler):
    """The executor behind this server."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """An `ExecutorView`."""
        await self.relay("GET", "/status")
