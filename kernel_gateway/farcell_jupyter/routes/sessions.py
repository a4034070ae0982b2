"""Sessions: look at them, and let them go."""

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from farcell_jupyter.routes.base import FarHandler, Grace, of


class SessionsHandler(FarHandler):
    """All living sessions."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """A list of `SessionView`."""
        await self.relay("GET", "/sessions")


class SessionHandler(FarHandler):
    """One session."""

    @authenticated
    @authorized
    async def get(self, session: str) -> None:
        """A `SessionView`."""
        await self.relay("GET", of("sessions", session))


class StopHandler(FarHandler):
    """The end of a session."""

    @authenticated
    @authorized
    async def post(self, session: str) -> None:
        """Release it with everything in it; nothing if it has ended."""
        await self.relay_with(Grace, of("sessions", session, "stop"))
