"""What the websockets have in common: binary messages in and out, and an end when the token ends."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from litestar import WebSocket
from litestar.datastructures import State
from litestar.exceptions import WebSocketDisconnect

from farcell_executor.api.auth import REVOKED
from farcell_executor.tokens import Identity

Socket = WebSocket[Identity, Identity, State]
UNREADABLE = 1007
_LAST_WORDS_S = 2.0

_ending: "set[asyncio.Task[None]]" = set()  # a loop keeps only weak references to its tasks


class SocketGone(Exception):
    """The other side does not listen any more."""


async def bodies(socket: Socket) -> AsyncIterator[bytes | None]:
    """Each message's bytes until the other side is gone; None for a text message, which nobody here speaks."""
    while True:
        try:
            event = await socket.receive()
        except WebSocketDisconnect:
            return
        if event["type"] == "websocket.disconnect":
            return
        if event["type"] == "websocket.receive":
            yield event.get("bytes")


async def send(socket: Socket, body: bytes) -> None:
    """Send one binary message; waits while the other side is slow.

    Raises:
        SocketGone: it cannot be sent any more.
    """
    try:
        await socket.send({"type": "websocket.send", "bytes": body, "text": None})
    except Exception as err:
        raise SocketGone from err


async def close(socket: Socket, code: int, reason: str) -> None:
    """Say goodbye, if there is still somebody to hear it."""
    with suppress(Exception):
        async with asyncio.timeout(_LAST_WORDS_S):
            await socket.close(code=code, reason=reason[:120])


def closer(socket: Socket) -> Callable[[], None]:
    """What ends a socket whose token was revoked, whatever its handler is waiting for."""
    handler = asyncio.current_task()

    async def ending() -> None:
        await close(socket, REVOKED, "the token was revoked or has expired")
        # The handler leaves by itself when it reads the end; one that waits for a deaf client does not.
        await asyncio.sleep(_LAST_WORDS_S)
        if handler is not None:
            handler.cancel()

    def begin() -> None:
        task = asyncio.ensure_future(ending())
        _ending.add(task)
        task.add_done_callback(_ending.discard)

    return begin
