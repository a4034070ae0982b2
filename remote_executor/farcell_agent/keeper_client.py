"""The agent's connection to its keeper: messages both ways with backpressure, and a new keeper when one dies."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

from farcell_agent.greeting import greeting, message_in, welcome_in
from farcell_agent.keeper import KEEPER_COMMAND, START_DEADLINE_S, start_keeper
from farcell_protocol.backoff import Backoff
from farcell_protocol.errors import FarcellError, FramingError, Unavailable
from farcell_protocol.framing import RecordReader, encode
from farcell_protocol.messages.keeping import FromKeeper, ToKeeper, WarmUp, Welcome
from farcell_protocol.outbox import Outbox
from farcell_protocol.places import Places

_READ_AHEAD_BYTES = 1 * 2**20
"""Received and not yet taken: beyond it we stop reading, and the keeper spools."""

_LAST_WORDS_S = 2.0


class KeeperGone(Exception):
    """The connection to the keeper ended."""


class KeeperClient:
    """One agent's keeper. Used by one task that receives and any number that send, of one event loop."""

    def __init__(
        self,
        places: Places,
        interpreter: str,
        *,
        log: logging.Logger,
        command: Sequence[str] = KEEPER_COMMAND,
        may_start: Callable[[], bool] = lambda: True,
    ) -> None:
        """`may_start` says whether the data directory is still ours to start a keeper on."""
        self._places = places
        self._interpreter = interpreter
        self._log = log
        self._command = command
        self._may_start = may_start
        self._connection: _Connection | None = None

    async def open(self) -> Welcome:
        """Connect, starting a keeper if none answers; tries until it succeeds.

        Says what is wrong in the log once for each new reason.
        """
        backoff, said = Backoff(), ""
        while True:
            try:
                return await self._connect()
            except (OSError, FarcellError, KeeperGone) as err:
                if str(err) != said:
                    said = str(err)
                    self._log.error("no keeper: %s", said or type(err).__name__)
                await asyncio.sleep(backoff.next_delay_s())

    async def send(self, message: ToKeeper) -> None:
        """Send it, waiting while the keeper is slow. Dropped while there is no keeper: whoever asked will
        hear of a new one and ask again."""
        if self._connection is not None:
            await self._connection.send(message)

    async def receive(self) -> FromKeeper:
        """The keeper's next message.

        When the connection ends, this opens another and returns its `Welcome`: from the same keeper, or
        from a new one, which means that the workers of the one before are gone.
        """
        assert self._connection is not None, "open() comes first"
        try:
            return message_in(await self._connection.receive())
        except (KeeperGone, FramingError) as err:
            self._log.warning("the connection to the keeper ended%s", f": {err}" if str(err) else "")
            await self.close()
            return await self.open()

    async def close(self) -> None:
        """Let go of the keeper, which goes on; returns once it has been given all that was sent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _connect(self) -> Welcome:
        try:
            connection = await self._dial()
        except (FileNotFoundError, ConnectionRefusedError):
            if not self._may_start():
                raise Unavailable(f"{self._places.data} was deleted or replaced: nothing is started there") from None
            await asyncio.to_thread(start_keeper, self._places, self._interpreter, warm=False, command=self._command)
            connection = await self._dial()
        try:
            welcome = await self._greet(connection)
        except BaseException:
            await connection.close()
            raise
        self._connection = connection
        return welcome

    async def _dial(self) -> "_Connection":
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_unix_connection(_Connection, str(self._places.keeper_socket))
        return connection

    async def _greet(self, connection: "_Connection") -> Welcome:
        await connection.send(greeting())
        await connection.send(WarmUp(self._interpreter))
        try:
            body = await asyncio.wait_for(connection.receive(), START_DEADLINE_S)
        except TimeoutError as err:
            raise Unavailable(f"the keeper did not answer a greeting within {START_DEADLINE_S:.0f} s") from err
        return welcome_in(body)


class _Connection(asyncio.Protocol):
    """Records over one Unix socket. No task of its own: it writes when asked and when the socket has room."""

    def __init__(self) -> None:
        self._reader = RecordReader()
        self._received: deque[bytes] = deque()
        self._received_bytes = 0
        self._outbox: Outbox[ToKeeper] = Outbox()
        self._writable = True
        self._reading = True
        self._lost = False
        self._waiters: list[asyncio.Future[None]] = []
        self._transport: asyncio.Transport

    # ---- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports behave like asyncio's and are not instances of its classes.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._reader.receive_bytes(data):
                self._received.append(body)
                self._received_bytes += len(body)
        except FramingError:
            self._transport.abort()
        if self._reading and self._received_bytes > _READ_AHEAD_BYTES:
            self._reading = False
            self._transport.pause_reading()
        self._wake()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._wake()

    # ---- called by the client

    async def send(self, message: ToKeeper) -> None:
        while self._outbox.full and not self._lost:
            await self._change()
        if not self._lost:
            self._outbox.push(message)
            self._flush()

    async def receive(self) -> bytes:
        while not self._received:
            if self._lost:
                raise KeeperGone
            await self._change()
        body = self._received.popleft()
        self._received_bytes -= len(body)
        if not self._reading and not self._lost and self._received_bytes < _READ_AHEAD_BYTES // 2:
            self._reading = True
            self._transport.resume_reading()
        return body

    async def close(self) -> None:
        self._transport.close()
        deadline = asyncio.get_running_loop().call_later(_LAST_WORDS_S, self._transport.abort)
        while not self._lost:
            await self._change()
        deadline.cancel()

    def _flush(self) -> None:
        had_to_wait = self._outbox.full
        while self._outbox and self._writable:
            self._transport.write(encode(self._outbox.pop()))
        if had_to_wait:
            self._wake()

    async def _change(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
