"""One connection between an executor and an agent, and the one inside a single process.

Every link, whatever carries it, keeps to this (`tests/contract/test_agent_link.py`):

1. Messages of one direction arrive in the order they were sent, each once, except that a `Stop` or
   `SendInterrupt` may overtake messages about other workers.
2. `send` waits while the other side is slow; what waits inside a link is bounded in bytes.
3. After the other side's `close`, or a loss, messages that had arrived are still handed out, then
   `receive` raises `LinkClosed`. After either side's `close`, `send` raises it.
4. `close` may be called twice, and from another task than the one that waits in `receive`.
5. What was sent before a loss may not have arrived. The next link's hello says what is so.
"""

import asyncio
from collections import deque
from typing import Generic, Protocol, TypeVar

from farcell_protocol.messages.link import FromAgent, ToAgent
from farcell_protocol.outbox import LIMIT_BYTES, Outbox

M = TypeVar("M")
Out = TypeVar("Out", contravariant=True)
In = TypeVar("In", covariant=True)


class LinkClosed(Exception):
    """This connection is over; another may follow."""


class LinkEnd(Protocol[Out, In]):
    """One end of a link."""

    async def send(self, message: Out) -> None:
        """Hand over one message; waits while the other side is slow."""

    async def receive(self) -> In:
        """The next message from the other side."""

    async def close(self) -> None:
        """End the connection for both sides."""


Link = LinkEnd[FromAgent, ToAgent]
"""The agent's end."""

ExecutorEnd = LinkEnd[ToAgent, FromAgent]
"""The executor's end."""


def link_pair(limit_bytes: int = LIMIT_BYTES) -> tuple[Link, ExecutorEnd]:
    """The two ends of a link inside one process and one event loop."""
    to_agent: _Pipe[ToAgent] = _Pipe(limit_bytes)
    from_agent: _Pipe[FromAgent] = _Pipe(limit_bytes)
    return _PairEnd(from_agent, to_agent), _PairEnd(to_agent, from_agent)


class _Pipe(Generic[M]):
    """One direction: an outbox, and those who wait for room or for a message."""

    def __init__(self, limit_bytes: int) -> None:
        self._outbox: Outbox[M] = Outbox(limit_bytes)
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._closed = False

    async def put(self, message: M) -> None:
        while self._outbox.full and not self._closed:
            await self._change()
        if self._closed:
            raise LinkClosed
        self._outbox.push(message)
        self._wake()

    async def get(self) -> M:
        while not self._outbox:
            if self._closed:
                raise LinkClosed
            await self._change()
        message = self._outbox.pop()
        self._wake()
        return message

    def close(self) -> None:
        self._closed = True
        self._wake()

    async def _change(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)


class _PairEnd(Generic[Out, In]):
    def __init__(self, outgoing: "_Pipe[Out]", incoming: "_Pipe[In]") -> None:
        self._outgoing = outgoing
        self._incoming = incoming

    async def send(self, message: Out) -> None:
        await self._outgoing.put(message)

    async def receive(self) -> In:
        return await self._incoming.get()

    async def close(self) -> None:
        self._outgoing.close()
        self._incoming.close()
