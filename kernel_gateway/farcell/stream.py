"""The one websocket of a client, with many runs on it, kept alive across everything that breaks it.

All of this runs in the background loop's thread. A reader that is too slow stops its own run's frames,
not the websocket's: the run is unfollowed, and followed again from where it was when there is room. So
other runs, what is said to the executor, and pings go on.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from farcell.dial import Link, dial
from farcell.follow import Inbox, LinkDown, LinkUp
from farcell.lines import Lines
from farcell.tells import AGAIN_S, Update
from farcell_host.target import Target
from farcell_protocol.backoff import Backoff
from farcell_protocol.errors import FarcellError, MessageTooLarge, Unavailable
from farcell_protocol.framing import unpack
from farcell_protocol.messages.api import FromClient, Tell, ToClient

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

FIRST_WAIT_S = 0.05
LONGEST_WAIT_S = 5.0

_decoder: "msgspec.msgpack.Decoder[ToClient]" = msgspec.msgpack.Decoder(ToClient)


class Stream:
    """Connects, and while runs are followed connects again; without any, a broken link is left alone.

    `find` says where the executor is by now, starting an embedded one if need be; it may block and is
    called in a thread.
    """

    def __init__(self, find: Callable[[], Target]) -> None:
        self.lines = Lines()
        self._find = find
        self._link: Link | None = None
        self._task: asyncio.Task[None] | None = None
        self._down: LinkDown | None = None
        self._backoff = Backoff(FIRST_WAIT_S, LONGEST_WAIT_S, at_once=True)
        self._settled = asyncio.Event()
        self._reminder: asyncio.TimerHandle | None = None

    @property
    def live(self) -> bool:
        """Whether there is a link, or one is being made again. May be read from any thread."""
        return self._task is not None and not self._task.done()

    async def open(self, target: Target) -> None:
        """Connect for the first time, or again after the link was left alone.

        Raises:
            FarcellError: it cannot be done; see `dial`.
        """
        if not self.live:
            socket = await dial(target)
            self._task = asyncio.create_task(self._keep(socket))

    def say(self, messages: Iterable[FromClient]) -> None:
        """Send what `lines` wants said; without a link it will be said when there is one."""
        if self._link is not None:
            for message in messages:
                self._link.post(message)
        elif len(self.lines) and not self.live:
            self._task = asyncio.create_task(self._keep(None))

    def begin(self, inbox: Inbox, messages: Iterable[FromClient]) -> None:
        """Like `say`, for a new reader, who is told at once if the link is down."""
        if self._down is not None and self.live:
            inbox.put(self._down)
        self.say(messages)

    def tell(self, tell: Tell, update: Update | None) -> None:
        """Tell a followed run something, again and again until it is heard."""
        self.say(self.lines.pass_on(tell, update))
        self._remind_later()

    def _remind_later(self) -> None:
        if self._reminder is None and self.lines.tells:
            self._reminder = asyncio.get_running_loop().call_later(AGAIN_S / 2, self._remind)

    def _remind(self) -> None:
        self._reminder = None
        if self._link is not None:  # a new one begins with all of it anyway
            self.say(self.lines.tells.again())
        self._remind_later()

    async def settle(self, timeout_s: float) -> None:
        """Wait until the executor has confirmed every request, at most `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.lines.unsent and self.live:
                    self._settled.clear()
                    await self._settled.wait()
        except TimeoutError:
            return

    async def close(self) -> None:
        """End the link; whoever still follows is told."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._reminder is not None:
            self._reminder.cancel()
        self.lines.fail(Unavailable("the connection to the executor was closed here"))

    async def _keep(self, socket: "ClientConnection | None") -> None:
        try:
            while socket is not None or len(self.lines):
                socket = socket or await self._dial_again()
                if socket is None:
                    return
                why = await self._serve(socket)
                socket = None
                self._down = LinkDown(why, time.time())
                self.lines.put_to_all(self._down)
        except FarcellError as err:
            self.lines.fail(err)
        except Exception as err:
            self.lines.fail(Unavailable(f"the link to the executor failed: {type(err).__name__}: {err}"))
            raise
        finally:
            self._down = None
            self._settled.set()

    async def _serve(self, socket: "ClientConnection") -> str:
        link = self._link = Link(socket)
        if self._down is not None:
            self._down = None
            self.lines.put_to_all(LinkUp())
        self.say(self.lines.opening())
        try:
            return await link.serve(self._receive)
        except MessageTooLarge as err:
            self.lines.fail_unsent(err)
            return err.message
        finally:
            self._link = None

    def _receive(self, data: bytes) -> None:
        self._backoff.reset()
        self.say(self.lines.receive(unpack(data, _decoder, who="the executor"), len(data)))
        if not self.lines.unsent:
            self._settled.set()

    async def _dial_again(self) -> "ClientConnection | None":
        while len(self.lines):
            await asyncio.sleep(self._backoff.next_delay_s())
            target = await asyncio.to_thread(self._find)
            try:
                return await dial(target)
            except Unavailable:
                continue
        return None
