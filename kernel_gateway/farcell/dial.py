"""Making one websocket connection to an executor, and using it while it lives."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

from farcell_host import rest
from farcell_host.target import Target
from farcell_protocol.errors import FarcellError, Forbidden, MessageTooLarge
from farcell_protocol.framing import MAX_RECORD_BYTES, pack
from farcell_protocol.pings import PING_S, SILENCE_S

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

OPEN_S = 10.0

_TOO_BIG = 1009  # RFC 6455, section 7.4.1


async def dial(target: Target) -> "ClientConnection":
    """Open the stream websocket.

    Raises:
        ExecutorUnreachable: nobody answers there.
        Unauthorized, VersionMismatch, Unavailable, ...: it will not have us; by class.
    """
    # Imported here: a kernel that loads farcell but runs no cell should not pay for it.
    from websockets.exceptions import InvalidStatus, WebSocketException

    try:
        socket = await _connect(target)
    except InvalidStatus as err:
        answer = err.response
        error = rest.refusal(
            target, answer.status_code, bytes(answer.body or b""), answer.headers.get(rest.PROTOCOL_HEADER)
        )
        raise await _told_better(target, error) from err
    except (OSError, WebSocketException) as err:
        raise rest.unreachable(target, err) from err
    try:
        response = socket.response
        rest.check_protocol(target, response.headers.get(rest.PROTOCOL_HEADER) if response else None)
    except FarcellError:
        await socket.close()
        raise
    return socket


async def _connect(target: Target) -> "ClientConnection":
    from websockets.asyncio.client import connect, unix_connect

    ours = rest.headers(target)
    if target.socket_path is not None:
        return await unix_connect(
            target.socket_path,
            uri="ws://farcell/v1/stream",
            additional_headers=ours,
            compression=None,
            open_timeout=OPEN_S,
            ping_interval=None,
            close_timeout=1,
            max_size=2 * MAX_RECORD_BYTES,
        )
    return await connect(
        "ws" + target.url.removeprefix("http") + "/v1/stream",
        additional_headers=ours,
        compression=None,
        open_timeout=OPEN_S,
        ping_interval=None,
        close_timeout=1,
        max_size=2 * MAX_RECORD_BYTES,
        proxy=None if target.is_local else True,
    )


async def _told_better(target: Target, error: FarcellError) -> FarcellError:
    # A server that refuses a websocket before accepting it can only say 403; a plain request hears why.
    if not isinstance(error, Forbidden):
        return error
    try:
        await asyncio.to_thread(rest.call_raw, target, "GET", "/status", None, OPEN_S)
    except FarcellError as better:
        return better
    return error


class Link:
    """One connection: what goes out, in order, and whether anything was heard lately."""

    def __init__(self, socket: "ClientConnection") -> None:
        self._socket = socket
        self._out: list[bytes] = []
        self._wake = asyncio.Event()
        self._heard = time.monotonic()

    def post(self, message: msgspec.Struct) -> None:
        """Send after what was posted before; never waits."""
        self._out.append(pack(message))
        self._wake.set()

    async def serve(self, on_message: Callable[[bytes], Awaitable[None] | None]) -> str:
        """Send and receive until the connection breaks; returns why it did, in words. What `on_message` returns is
        waited for before more is read.

        Raises:
            MessageTooLarge: the other side closed it because of the size of what was sent.
            FarcellError: from `on_message`.
        """
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._write())
                group.create_task(self._watch())
                group.create_task(self._read(on_message))
        except BaseExceptionGroup as broken:
            return _why(_leaves(broken)[0])
        finally:
            # Not closed politely: it is broken, or nobody will read the answer.
            self._socket.transport.abort()
        return "closed"

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._out:
                await self._socket.send(self._out.pop(0))

    async def _read(self, on_message: Callable[[bytes], Awaitable[None] | None]) -> None:
        while True:
            data = await self._socket.recv(decode=False)
            self._heard = time.monotonic()
            handling = on_message(data)
            if handling is not None:
                await handling

    async def _watch(self) -> None:
        # Anything heard counts, not only pongs: on a slow link a pong may wait behind megabytes of output.
        while True:
            await asyncio.sleep(max(0.0, self._heard + PING_S - time.monotonic()))
            heard = self._heard
            if time.monotonic() - heard < PING_S:
                continue
            try:
                async with asyncio.timeout(SILENCE_S - PING_S):
                    await (await self._socket.ping())
                self._heard = time.monotonic()
            except TimeoutError:
                if self._heard == heard:
                    raise TimeoutError(f"nothing heard for {SILENCE_S:.0f} s") from None


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def _why(broken: BaseException) -> str:
    from websockets.exceptions import ConnectionClosed

    if isinstance(broken, OSError):
        return broken.strerror or str(broken) or type(broken).__name__
    if not isinstance(broken, ConnectionClosed):
        raise broken
    received = broken.rcvd
    if received is None:
        return "the connection broke"
    if received.code == _TOO_BIG:
        raise MessageTooLarge(f"the executor takes no message of that size ({received.reason or 'close code 1009'})")
    return f"the executor closed the connection ({received.reason or f'code {received.code}'})"
