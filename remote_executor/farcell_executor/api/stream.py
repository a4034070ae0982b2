"""The stream websocket: one per client, many runs on it. See `followers` for the pace."""

import asyncio
import logging
from contextlib import suppress

import msgspec
from litestar import websocket

from farcell_executor.api import sockets
from farcell_executor.api.asked import Here
from farcell_executor.followers import Connection
from farcell_protocol.errors import FramingError
from farcell_protocol.framing import unpack
from farcell_protocol.messages.api import FromClient

_FAULT = 1011  # RFC 6455, section 7.4.1

log = logging.getLogger(__name__)

_decoder: "msgspec.msgpack.Decoder[FromClient]" = msgspec.msgpack.Decoder(FromClient)


@websocket("/stream")
async def stream(socket: sockets.Socket, executor: Here) -> None:
    """Submit, follow, interrupt, cancel; answered with frames and changes of state."""
    await socket.accept()
    connection = Connection(
        socket.user,
        executor.followers,
        executor.runs,
        executor.views,
        executor.logs,
        executor.watchers,
        lambda body: sockets.send(socket, body),
    )
    executor.followers.connections += 1
    pump = asyncio.create_task(_pump(connection, socket), name="push to a client")
    try:
        with executor.tokens.socket(socket.user, sockets.closer(socket)):
            async for body in sockets.bodies(socket):
                await _obey(connection, body)
    finally:
        executor.followers.connections -= 1
        executor.idle.touch()
        connection.close()
        pump.cancel()
        await asyncio.wait({pump})


async def _obey(connection: Connection, body: bytes | None) -> None:
    try:
        if body is None:
            raise FramingError("text arrived where binary messages are spoken")
        message: FromClient = unpack(body, _decoder, who="the client")
    except FramingError as err:
        connection.refuse(None, err)
    else:
        await connection.obey(message)


async def _pump(connection: Connection, socket: sockets.Socket) -> None:
    try:
        with suppress(sockets.SocketGone):
            await connection.pump()
    except Exception as err:
        # A client that hears nothing would wait for ever; one whose link breaks asks again.
        log.error("could not tell a client its news", exc_info=err)
        await sockets.close(socket, _FAULT, f"the executor failed: {type(err).__name__}")
