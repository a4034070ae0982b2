"""Whoever connects: accepted, checked, and once it has greeted, the agent. The last to greet is the one agent."""

import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from farcell_keeper import journal
from farcell_keeper.links import Link
from farcell_keeper.loop import READ, Loop, Timer
from farcell_protocol.errors import FarcellError, Forbidden, FramingError
from farcell_protocol.framing import encode, unpack
from farcell_protocol.messages.keeping import Greet, KeeperRefused, ToKeeper
from farcell_protocol.version import agree

GREET_TIMEOUT_S = 10.0
_STRANGERS = 32
"""Connections that have not greeted; beyond it the oldest must go."""
_MAX_BACKLOG_BYTES = 16 * 2**20
"""Beyond what frames may take: an agent that does not even read answers is cut off."""
_ACCEPT_AGAIN_S = 1.0

_decoder: "msgspec.msgpack.Decoder[ToKeeper]" = msgspec.msgpack.Decoder(ToKeeper)
_CREDENTIALS = struct.Struct("3i")


@dataclass(eq=False)
class Visitor:
    """One connection. `link` is set as soon as it is watched."""

    pid: int
    link: Link = field(init=False)
    timer: Timer = field(init=False)


class Visitors:
    """Accepts connections at the keeper's socket.

    `greeted` is called with each new agent's link and the agreed version, `obey` with each of its
    messages, `drained` when its link has room again, `left` when it is gone without another in its place.
    Nothing a visitor does, or leaves undone, blocks the others.
    """

    def __init__(
        self,
        loop: Loop,
        listener: socket.socket,
        *,
        greeted: Callable[[Link, int], None],
        obey: Callable[[ToKeeper], None],
        drained: Callable[[], None],
        left: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._greeted = greeted
        self._obey = obey
        self._drained = drained
        self._left = left
        self._strangers: list[Visitor] = []
        self._agent: Visitor | None = None
        self._listen(listener)

    def move_to(self, listener: socket.socket) -> None:
        """Accept here from now on; who is in stays in."""
        self._loop.forget(self._listener.fileno())
        self._listener.close()
        self._listen(listener)

    def _listen(self, listener: socket.socket) -> None:
        self._listener = listener
        listener.setblocking(False)
        self._loop.watch(listener.fileno(), READ, self._accept)

    def close(self) -> None:
        """Say goodbye to all, and accept nobody any more."""
        self._loop.forget(self._listener.fileno())
        self._listener.close()
        for visitor in [*self._strangers, *([self._agent] if self._agent else [])]:
            visitor.link.close()

    def _accept(self, _mask: int) -> None:
        try:
            sock, _address = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as err:
            # Out of descriptors: the listener stays ready, and would have us spin.
            journal.note(f"cannot accept a connection: {err}")
            self._loop.forget(self._listener.fileno())
            self._loop.after(_ACCEPT_AGAIN_S, lambda: self._loop.watch(self._listener.fileno(), READ, self._accept))
            return
        self._admit(sock)

    def _admit(self, sock: socket.socket) -> None:
        peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, _gid = _CREDENTIALS.unpack(peer)
        visitor = Visitor(pid)
        visitor.link = Link(
            self._loop,
            sock,
            received=lambda bodies: self._received(visitor, bodies),
            closed=lambda why: self._gone(visitor, why),
            drained=self._drained,
            max_backlog_bytes=_MAX_BACKLOG_BYTES + 64 * 2**20,
        )
        visitor.timer = self._loop.after(GREET_TIMEOUT_S, lambda: self._dismiss(visitor))
        self._strangers.append(visitor)
        if uid not in (os.getuid(), 0):
            error = Forbidden(f"this keeper serves user id {os.getuid()}, not {uid}")
            self._refuse(visitor, error)
            self._dismiss(visitor)
        elif len(self._strangers) > _STRANGERS:
            self._dismiss(self._strangers[0])

    def _received(self, visitor: Visitor, bodies: list[bytes]) -> None:
        for body in bodies:
            if visitor.link.open:
                self._handle(visitor, body)

    def _handle(self, visitor: Visitor, body: bytes) -> None:
        message: ToKeeper | None = None
        try:
            message = unpack(body, _decoder, who=f"process {visitor.pid}")
            if isinstance(message, Greet):
                self._greet(visitor, message)
            elif visitor is self._agent:
                self._obey(message)
            else:
                raise FramingError("the first message must be a greeting")
        except FarcellError as err:
            self._refuse(visitor, err, message)
        except Exception as err:
            journal.failure(f"obeying {type(message).__name__}")
            self._refuse(visitor, FarcellError(f"the keeper failed at it: {type(err).__name__}: {err}"), message)
        if visitor is not self._agent:
            self._dismiss(visitor)

    def _greet(self, visitor: Visitor, greet: Greet) -> None:
        version = agree(greet.protocol, greet.oldest, who=f"the agent (process {greet.pid})")
        visitor.timer.cancel()
        if visitor in self._strangers:
            self._strangers.remove(visitor)
        if self._agent is not visitor:
            self._take_over(visitor)
        self._greeted(visitor.link, version)

    def _take_over(self, visitor: Visitor) -> None:
        before = self._agent
        if before is not None:
            journal.note(f"process {visitor.pid} takes over from process {before.pid}")
            # What it said last came before this greeting, and is obeyed before it.
            before.link.drain()
            before.link.close()
        self._agent = visitor

    def _refuse(self, visitor: Visitor, error: FarcellError, message: ToKeeper | None = None) -> None:
        worker, run = getattr(message, "worker", None), getattr(message, "run", None)
        visitor.link.send(encode(KeeperRefused(error.info(), worker, run)))

    def _dismiss(self, visitor: Visitor) -> None:
        visitor.link.close()
        self._gone(visitor, "")

    def _gone(self, visitor: Visitor, why: str) -> None:
        visitor.timer.cancel()
        if visitor in self._strangers:
            self._strangers.remove(visitor)
        if visitor is self._agent:
            journal.note(f"the agent (process {visitor.pid}) has left: {why}")
            self._agent = None
            self._left()
