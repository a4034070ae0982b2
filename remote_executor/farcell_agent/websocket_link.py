"""The link over a websocket: dialled by the agent, again and again, for as long as the agent lives."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.http11 import Response

from farcell_agent.link import LinkClosed
from farcell_protocol.backoff import Backoff
from farcell_protocol.errors import BadRequest, ErrorInfo, FramingError, Unauthorized
from farcell_protocol.framing import MAX_RECORD_BYTES, pack, unpack
from farcell_protocol.messages.link import FromAgent, ToAgent
from farcell_protocol.pings import PING_S, SILENCE_S
from farcell_protocol.version import OLDEST, PROTOCOL

PATH = "/v1/agents"
_GOODBYE_S = 1.0
_WORKED_S = 5.0  # a link that lasted so long was a good one

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_REFUSALS = {
    401: "the token is missing, wrong or revoked",
    403: "the token is not one for agents",
    426: "the executor speaks no protocol of ours: upgrade the older of the two",
}


class WebsocketLink:
    """The agent's end of a websocket; see `link` for the contract."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._decoder: msgspec.msgpack.Decoder[ToAgent] = msgspec.msgpack.Decoder(ToAgent)

    async def send(self, message: FromAgent) -> None:
        """One binary message; waits for the kernel's buffer, and so for the other side."""
        try:
            await self._socket.send(pack(message))
        except ConnectionClosed as err:
            raise LinkClosed from err

    async def receive(self) -> ToAgent:
        """The next binary message. One that cannot be read closes the link."""
        try:
            body = await self._socket.recv(decode=False)
            message: ToAgent = unpack(body, self._decoder, who="the executor")
            return message
        except ConnectionClosed as err:
            raise LinkClosed from err
        except FramingError as err:
            await self._socket.close(1007, "not a message")
            raise LinkClosed(str(err)) from err

    async def close(self) -> None:
        """Say goodbye; waits a little for the answer."""
        await _hang_up(self._socket)


class Dialler:
    """Opens one link after the other to the same executor, with pauses that grow while it fails."""

    def __init__(
        self,
        url: str,
        token: Callable[[], str],
        log: logging.Logger,
        *,
        backoff: Backoff | None = None,
        refused_backoff: Backoff | None = None,
    ) -> None:
        self._url = url
        self._token = token
        self._log = log
        self._backoff = backoff or Backoff()
        self._refused_backoff = refused_backoff or Backoff(first_s=2.0, limit_s=30.0)
        self._said = ""
        self._refusal = ""

    async def links(self) -> AsyncGenerator[WebsocketLink, None]:
        """Links, one whenever the one before is over; forever. `token` is read anew for each."""
        loop = asyncio.get_running_loop()
        while True:
            self._refusal = ""
            opened = loop.time()
            try:
                socket = await dial(self._url, self._token())
            except (OSError, InvalidHandshake, TimeoutError, Unauthorized) as err:
                self._take_note(err)
            else:
                self._say(logging.INFO, f"connected to {self._url}")
                try:
                    yield WebsocketLink(socket)
                finally:
                    await _hang_up(socket)
                self._say(logging.WARNING, f"the link to {self._url} ended: {socket.close_code} {socket.close_reason}")
            await asyncio.sleep(self._pause_s(lasted_s=loop.time() - opened))

    def refused(self, why: str) -> None:
        """The executor will not have us, it said over the link: wait longer, since a person must act."""
        self._refusal = why
        self._say(logging.ERROR, f"{self._url} refuses this agent: {why}")

    def _take_note(self, err: Exception) -> None:
        if isinstance(err, InvalidStatus) and err.response.status_code in _REFUSALS:
            self.refused(_words_of(err.response))
        elif isinstance(err, Unauthorized):
            self.refused(str(err))
        else:
            self._say(logging.WARNING, f"cannot reach {self._url}: {err or type(err).__name__}")

    def _pause_s(self, *, lasted_s: float) -> float:
        if lasted_s > _WORKED_S and not self._refusal:
            self._backoff.reset()
            self._refused_backoff.reset()
        return (self._refused_backoff if self._refusal else self._backoff).next_delay_s()

    def _say(self, level: int, text: str) -> None:
        """Once, however often it happens in a row."""
        if text != self._said:
            self._said = text
            self._log.log(level, "%s", text)


async def _hang_up(socket: ClientConnection) -> None:
    """Close it in bounded time: `close` itself first waits until the other side has read what was sent."""
    try:
        async with asyncio.timeout(2 * _GOODBYE_S):
            await socket.close()
    except TimeoutError:
        socket.transport.abort()


async def dial(url: str, token: str) -> ClientConnection:
    """Open the websocket of an executor at an `http`, `https`, `ws`, `wss` or `unix` address.

    Raises:
        BadRequest: the address is of none of these kinds.
        InvalidStatus: the executor answered, with a refusal.
        OSError, TimeoutError, InvalidHandshake: nobody, or nobody of ours, answered.
    """
    kind, address = websocket_address(url)
    extra: dict[str, Any] = {}
    if kind == "unix":
        extra, address = {"unix": True, "path": address}, f"ws://localhost{PATH}"
    elif (urlsplit(address).hostname or "") in _LOOPBACK:
        extra = {"proxy": None}  # a proxy would look for the executor on its own host
    return await connect(
        address,
        additional_headers={"Authorization": f"Bearer {token}", "Farcell-Protocol": f"{PROTOCOL};{OLDEST}"},
        compression=None,  # halves the rate on a local link, and output is sent once
        max_size=MAX_RECORD_BYTES,
        ping_interval=PING_S,
        ping_timeout=SILENCE_S,
        close_timeout=_GOODBYE_S,
        **extra,
    )


def websocket_address(url: str) -> tuple[str, str]:
    """("ws", address with the path of agents) or ("unix", path of the socket).

    Raises:
        BadRequest: the address is of another kind.
    """
    parts = urlsplit(url)
    if parts.scheme == "unix" and parts.path:
        return "unix", unquote(parts.path)
    schemes = {"http": "ws", "ws": "ws", "https": "wss", "wss": "wss"}
    if parts.scheme not in schemes or not parts.netloc:
        raise BadRequest(
            f"{url!r} is no executor's address: write http://host:port, wss://host or unix:///path", url=url
        )
    path = parts.path.rstrip("/")
    return "ws", urlunsplit((schemes[parts.scheme], parts.netloc, path if path.endswith(PATH) else path + PATH, "", ""))


def _words_of(refusal: Response) -> str:
    """Why, in the executor's own words if it gave any: the same status has several causes."""
    try:
        return msgspec.json.decode(refusal.body or b"", type=ErrorInfo).message
    except msgspec.DecodeError:
        return _REFUSALS[refusal.status_code]
