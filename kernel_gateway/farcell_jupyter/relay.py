"""One browser's link joined to one link to the executor, for as long as the browser is there.

Nothing is remembered here: what is followed, and up to which frame, the browser knows and says after each `up`. A
browser that does not read holds up its own link only.
"""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from farcell.dial import Link, dial
from farcell.stream import FIRST_WAIT_S, LONGEST_WAIT_S
from farcell_host.target import Target
from farcell_jupyter import messages
from farcell_protocol.backoff import Backoff
from farcell_protocol.errors import ErrorInfo, FarcellError, FramingError, Unavailable
from farcell_protocol.framing import unpack
from farcell_protocol.messages.api import Cancel, Interrupt, Refused, ToClient

REFUSED_AGAIN_S = 30.0
"""How long to wait before an executor that refuses us, or does not start, is tried again."""

_decoder: "msgspec.msgpack.Decoder[ToClient]" = msgspec.msgpack.Decoder(ToClient)


class Relay:
    """`find` says where the executor is, may start it, blocks, and is called in a thread; `send` hands a message to the
    browser and waits while that is slow."""

    def __init__(
        self,
        find: Callable[[], Target],
        send: Callable[[bytes], Awaitable[None]],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._find = find
        self._send = send
        self._pause = pause
        self._link: Link | None = None
        self._backoff = Backoff(FIRST_WAIT_S, LONGEST_WAIT_S, at_once=True)
        self._reading = messages.Reading()

    async def run(self) -> None:
        """Keep the link to the executor until cancelled."""
        while True:
            try:
                target = await asyncio.to_thread(self._find)
            except FarcellError as err:
                await self._wait(err, REFUSED_AGAIN_S)
                continue
            try:
                why: FarcellError = Unavailable(await self._serve(target))
            except FarcellError as err:
                why = err
            await self._wait(why, self._backoff.next_delay_s() if isinstance(why, Unavailable) else REFUSED_AGAIN_S)

    async def _wait(self, why: FarcellError, again_s: float) -> None:
        await self._say(messages.Down(why.info(), again_s))
        await self._pause(again_s)

    async def hear(self, text: str | bytes) -> None:
        """The browser said something."""
        try:
            message = messages.read(text)
        except msgspec.DecodeError as err:
            await self._say(Refused(None, FramingError(f"the browser said what is no message here: {err}").info()))
            return
        if self._link is not None:
            self._link.post(message)
        elif isinstance(message, Interrupt | Cancel):
            await self._say(Refused(message.run, _away()))
        # Everything else is said again after the next `up`.

    async def _serve(self, target: Target) -> str:
        link = Link(await dial(target))
        try:
            self._reading = messages.Reading()
            await self._say(messages.Up("" if target.embedded else target.url))
            self._link = link
            return await link.serve(self._pass_on)
        finally:
            self._link = None

    async def _pass_on(self, data: bytes) -> None:
        self._backoff.reset()
        message = unpack(data, _decoder, who="the executor")
        try:
            told = self._reading.shown(message)
        except msgspec.DecodeError as err:
            raise FramingError(f"the executor sent a frame that cannot be read: {err}") from err
        await self._say(told)

    async def _say(self, message: messages.ToBrowser) -> None:
        await self._send(messages.write(message))


def _away() -> ErrorInfo:
    return Unavailable("the executor cannot be reached just now; nothing was stopped. Try again when it is back").info()
