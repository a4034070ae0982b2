"""GPU hosts and their devices."""

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from farcell_jupyter.routes.base import FarHandler
from farcell_protocol.messages.api import Simulate


class NodesHandler(FarHandler):
    """All nodes."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """A list of `NodeView`."""
        await self.relay("GET", "/nodes")


class SimulateHandler(FarHandler):
    """Simulated devices."""

    @authenticated
    @authorized
    async def post(self) -> None:
        """Declare them, as in `H100:2`; a list of `DeviceView`."""
        await self.relay_with(Simulate, "/devices/simulate")
