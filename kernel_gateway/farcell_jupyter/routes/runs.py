"""Runs: look at them, stop them, read what they printed. Following them live is `farcell_jupyter.live`."""

import asyncio
from collections.abc import Iterator

from jupyter_server.auth.decorator import authorized
from tornado.iostream import StreamClosedError
from tornado.web import authenticated

from farcell_jupyter import upstream
from farcell_jupyter.routes.base import FarHandler, Grace, of
from farcell_protocol.errors import FarcellError

_TEXT = "text/plain; charset=utf-8"


class RunsHandler(FarHandler):
    """The newest runs."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """A list of `RunView`, oldest first."""
        await self.relay("GET", "/runs")


class RunHandler(FarHandler):
    """One run."""

    @authenticated
    @authorized
    async def get(self, run: str) -> None:
        """A `RunView`."""
        await self.relay("GET", of("runs", run))


class InterruptHandler(FarHandler):
    """The stop button."""

    @authenticated
    @authorized
    async def post(self, run: str) -> None:
        """SIGINT for its code; nothing if it has ended."""
        await self.relay("POST", of("runs", run, "interrupt"))


class CancelHandler(FarHandler):
    """The end of a run."""

    @authenticated
    @authorized
    async def post(self, run: str) -> None:
        """SIGINT, then SIGTERM and SIGKILL for its whole process tree, `grace_s` apart."""
        await self.relay_with(Grace, of("runs", run, "cancel"))


class OutputHandler(FarHandler):
    """What a run printed."""

    @authenticated
    @authorized
    async def get(self, run: str) -> None:
        """Text, up to now."""
        try:
            pieces = upstream.chunks(of("runs", run, "output"))
            piece = await asyncio.to_thread(_next, pieces)
            # Set before the first piece goes out: a browser must never take it for a page.
            self.set_header("Content-Type", _TEXT)
            self.set_header("X-Content-Type-Options", "nosniff")
            while piece is not None:
                self.write(piece)
                await self.flush()
                piece = await asyncio.to_thread(_next, pieces)
        except FarcellError as err:
            if not self._headers_written:
                self.answer_error(err.info())
            return
        except StreamClosedError:
            return
        self.finish(set_content_type=_TEXT)


def _next(pieces: Iterator[bytes]) -> bytes | None:
    # A StopIteration cannot cross a future.
    return next(pieces, None)
