"""What all routes have in common: who may ask, and how an error looks.

Authentication, the XSRF cookie and the origin are Jupyter's own, as for its own routes.
"""

import asyncio
from typing import Any

import msgspec
from jupyter_server.base.handlers import APIHandler

from farcell_host import rest
from farcell_jupyter import upstream
from farcell_protocol import statuses
from farcell_protocol.errors import BadRequest, ErrorInfo, ExecutorUnreachable, FarcellError

_NOT_THE_BROWSERS = {"unauthorized", "version-mismatch"}

STATUS = {code: status for code, status in statuses.STATUS.items() if code not in _NOT_THE_BROWSERS}
STATUS[ExecutorUnreachable.code] = 503
"""As the executor answers; the rest is 502.

An executor that does not take this server's token is no reason to log in here: never 401."""


class FarHandler(APIHandler):
    """A route that asks the executor."""

    auth_resource = "farcell"

    async def relay(self, method: str, path: str, body: object = None) -> None:
        """Answer what the executor answers."""
        try:
            answer = await asyncio.to_thread(upstream.ask, method, path, body)
        except FarcellError as err:
            self.answer_error(err.info())
        else:
            self.finish(answer or b"null")

    def answer_error(self, info: ErrorInfo) -> None:
        """Answer an error in the form it has everywhere: code, message, fields."""
        self.set_status(STATUS.get(info.code, 502))
        self.finish(msgspec.json.encode(info))

    async def relay_with(self, kind: type[Any], path: str) -> None:
        """POST the request's body, which must be a `kind`."""
        try:
            body = msgspec.json.decode(self.request.body or b"{}", type=kind)
        except (msgspec.DecodeError, RecursionError) as err:  # the latter where it is nested too deep
            self.answer_error(BadRequest(f"the request's body cannot be read: {err}").info())
        else:
            await self.relay("POST", path, body)


def of(noun: str, name: str, verb: str = "") -> str:
    """The executor's path of one thing."""
    return f"/{noun}/{rest.segment(name)}" + (f"/{verb}" if verb else "")


class Grace(msgspec.Struct, frozen=True):
    """How many seconds lie between the steps of a stop."""

    grace_s: float = 2.0
