"""Nodes on behalf of admins: let a GPU host go that will not come back."""

from farcell_executor.driver import Driver
from farcell_executor.links import Links
from farcell_executor.model import Node, NodeState
from farcell_executor.scheduling import events
from farcell_executor.tokens import Tokens
from farcell_protocol.errors import NodeIsConnected, NotFound
from farcell_protocol.ids import NodeId


class Fleet:
    """What admins may do with nodes."""

    def __init__(self, driver: Driver, links: Links, tokens: Tokens) -> None:
        self._driver = driver
        self._links = links
        self._tokens = tokens

    async def remove(self, node: NodeId, *, force: bool = False) -> None:
        """Give a node up now rather than when its grace is over: its runs are lost, its agent's token opens nothing.

        Raises:
            NotFound: there is no such node.
            NodeIsConnected: its agent is here, and `force` was not asked for; or it is the executor's own.
        """
        found = self._driver.machine.nodes.get(node)
        if found is None:
            raise NotFound(f"there is no node {node}: `farcell node list` shows them", node=node)
        if found.state is NodeState.CONNECTED and (found.embedded or not force):
            raise _still_here(found)
        await self._driver.feed(events.NodeGivenUp(node))
        # What it was just told to stop must arrive before its token closes the link.
        await self._links.dismiss(node)
        await self._tokens.revoke_for(node)


def _still_here(node: Node) -> NodeIsConnected:
    if node.embedded:
        return NodeIsConnected(
            f"node {node.name} is this executor's own, and leaves with it: `farcell stop`", node=node.id
        )
    return NodeIsConnected(
        f"node {node.name} is connected: end its agent there first, or remove it with --force,"
        " which ends what runs there",
        node=node.id,
    )
