"""The websocket that agents dial; what they say is `farcell_executor.agents`' business."""

import msgspec
from litestar import websocket

from farcell_executor.api import sockets
from farcell_executor.api.asked import Here
from farcell_executor.api.auth import agents_only
from farcell_executor.links import LinkLost
from farcell_protocol.errors import FramingError
from farcell_protocol.framing import pack, unpack
from farcell_protocol.messages.link import FromAgent, ToAgent

_decoder: "msgspec.msgpack.Decoder[FromAgent]" = msgspec.msgpack.Decoder(FromAgent)


@websocket("/agents", guards=[agents_only])
async def agents(socket: sockets.Socket, executor: Here) -> None:
    """One agent's link, for as long as it lasts."""
    await socket.accept()
    with executor.tokens.socket(socket.user, sockets.closer(socket)):
        await executor.agents.serve(WebsocketLink(socket), socket.user.token)


class WebsocketLink:
    """The executor's end of an agent's websocket."""

    def __init__(self, socket: sockets.Socket) -> None:
        self._socket = socket
        self._bodies = sockets.bodies(socket)

    async def send(self, message: ToAgent) -> None:
        """One binary message."""
        try:
            await sockets.send(self._socket, pack(message))
        except sockets.SocketGone as err:
            raise LinkLost from err

    async def receive(self) -> FromAgent:
        """The next binary message; one that cannot be read ends the link, since what it said is lost."""
        async for body in self._bodies:
            try:
                message: FromAgent = unpack(body or b"", _decoder, who="an agent")
            except FramingError as err:
                await sockets.close(self._socket, sockets.UNREADABLE, str(err))
                raise LinkLost from err
            return message
        raise LinkLost

    async def close(self) -> None:
        """Say goodbye."""
        await sockets.close(self._socket, 1000, "another connection took this one's place, or it was refused")
