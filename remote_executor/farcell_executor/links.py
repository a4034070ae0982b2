"""The connections to agents, one per node: the driver's way out.

What is sent waits in an outbox of its link, whose own task sends it: one slow host delays nobody else.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from farcell_protocol.ids import NodeId
from farcell_protocol.messages import keeping, link
from farcell_protocol.outbox import Outbox, size_of

LIMIT_BYTES = 64 * 2**20
"""How much may wait for a slow agent, besides the payloads of runs, which live as long as their runs anyway."""

LAST_ORDERS_S = 1.0
"""How long a link that is to end may take to hand over what was decided."""

log = logging.getLogger(__name__)


class LinkLost(Exception):
    """The connection to an agent is over; it may dial again."""


class AgentLink(Protocol):
    """One connection to an agent, whatever carries it."""

    async def send(self, message: link.ToAgent) -> None:
        """Hand over one message; waits while the agent is slow. Raises `LinkLost`."""

    async def receive(self) -> link.FromAgent:
        """The next message. Raises `LinkLost`."""

    async def close(self) -> None:
        """End the connection; may be called twice and from another task."""


Unsent = Callable[[link.ToAgent, Exception], None]
"""Told of a message that cannot be sent at all: it is too large, say."""


class Outgoing:
    """What waits to be sent over one link. `run` sends it: interrupts and stops first, the rest in order."""

    def __init__(self, agent: AgentLink, unsent: Unsent, limit_bytes: int = LIMIT_BYTES) -> None:
        self.agent = agent
        self._unsent = unsent
        self._waiting: Outbox[link.ToAgent] = Outbox(limit_bytes, _held_for_the_link)
        self._news = asyncio.Event()
        self._open = True
        self._sent = asyncio.Event()
        self.over = asyncio.Event()
        """Set when the link is to be closed: its agent is too slow, has a newer one, or is not wanted here any more."""

    def put(self, message: link.ToAgent) -> bool:
        """Have it sent; False when this link is over. Never waits: what exceeds the limit ends the link."""
        if self.over.is_set() or not self._open:
            return False
        if self._waiting.full:
            log.warning("an agent leaves %d bytes unread: its link is closed, to begin again", self._waiting.size_bytes)
            self.over.set()
            return False
        self._waiting.push(message)
        self._news.set()
        return True

    async def run(self) -> None:
        """Send until the link is lost, or until all is sent after `finish`."""
        try:
            while self._waiting or self._open:
                if self._waiting:
                    await self._send(self._waiting.pop())
                else:
                    self._news.clear()
                    await self._news.wait()
        except LinkLost:
            self._open = False  # what had arrived before is still received, and says the same
        finally:
            self._sent.set()

    def finish(self) -> None:
        """Take nothing more, and let `run` end when what waits is sent."""
        self._open = False
        self._news.set()

    async def dismiss(self) -> None:
        """Hand over what waits, as far as it takes no more than a moment, and have the link closed."""
        self.finish()
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_ORDERS_S):
                await self._sent.wait()
        self.over.set()

    async def _send(self, message: link.ToAgent) -> None:
        try:
            await self.agent.send(message)
        except LinkLost:
            raise
        except Exception as err:
            log.exception("could not send a %s", type(message).__name__)
            self._unsent(message, err)


def _held_for_the_link(message: link.ToAgent) -> int:
    """The bytes that only the outbox keeps. Were payloads counted, handing runs over again would not end."""
    if isinstance(message, keeping.Execute):
        return size_of(message) - len(message.payload)
    return size_of(message)


class Links:
    """Which node is reached by which link: the driver's way out (see `performing.Nodes`)."""

    def __init__(self) -> None:
        self._links: dict[NodeId, Outgoing] = {}

    def send(self, node: NodeId, message: link.ToAgent) -> bool:
        """Have it sent to the node's agent; False when it is not connected now, and will say hello again."""
        found = self._links.get(node)
        return found is not None and found.put(message)

    def put(self, node: NodeId, new: Outgoing) -> Outgoing | None:
        """Reach the node by this link from now on; returns the one it replaces."""
        old = self._links.get(node)
        self._links[node] = new
        return old if old is not new else None

    async def dismiss(self, node: NodeId) -> None:
        """Close the node's link, if it has one, once it was told what waits for it."""
        found = self._links.get(node)
        if found is not None:
            await found.dismiss()

    def remove(self, node: NodeId, gone: Outgoing) -> bool:
        """Forget a link, unless another took its place; whether the node is now out of reach."""
        if self._links.get(node) is not gone:
            return False
        del self._links[node]
        return True
