"""The connections to agents, one per node: the driver's way out."""

from typing import Protocol

from farcell_protocol.ids import NodeId
from farcell_protocol.messages import link


class LinkLost(Exception):
    """The connection to an agent is over; it may dial again."""


class AgentLink(Protocol):
    """One connection to an agent, whatever carries it."""

    async def send(self, message: link.ToAgent) -> None:
        """Hand over one message. Raises `LinkLost`."""

    async def receive(self) -> link.FromAgent:
        """The next message. Raises `LinkLost`."""

    async def close(self) -> None:
        """End the connection; may be called twice and from another task."""


class Links:
    """Which node is reached by which link: the driver's way out (see `driver.Nodes`)."""

    def __init__(self) -> None:
        self._links: dict[NodeId, AgentLink] = {}

    async def send(self, node: NodeId, message: link.ToAgent) -> bool:
        """Hand it to the node's agent; False when it is not connected now, and will say hello again."""
        found = self._links.get(node)
        if found is None:
            return False
        try:
            await found.send(message)
        except LinkLost:
            return False
        return True

    def put(self, node: NodeId, new: AgentLink) -> AgentLink | None:
        """Reach the node by this link from now on; returns the one it replaces."""
        old = self._links.get(node)
        self._links[node] = new
        return old if old is not new else None

    def remove(self, node: NodeId, gone: AgentLink) -> bool:
        """Forget a link, unless another took its place; whether the node is now out of reach."""
        if self._links.get(node) is not gone:
            return False
        del self._links[node]
        return True
