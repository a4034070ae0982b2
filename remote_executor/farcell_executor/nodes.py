"""`farcell node`: GPU hosts for a terminal, and letting go of those that will not come back."""

import time
from typing import Any

from farcell_executor.calls import Caller
from farcell_host.rest import segment
from farcell_protocol.errors import BadRequest, NotFound
from farcell_protocol.messages.api import NodeView


def listing(caller: Caller) -> list[str]:
    """A line for each node: its id, its name, whether it answers, what it has."""
    return [_line(node) for node in caller.ask("GET", "/nodes", list[NodeView])]


def let_go(caller: Caller, named: str, *, force: bool) -> str:
    """Give the node of that id or name up; what was done, as a sentence.

    Raises:
        NotFound: there is none.
        BadRequest: several have that name.
        NodeIsConnected: its agent is there, and `force` was not asked for.
    """
    node = _find(caller.ask("GET", "/nodes", list[NodeView]), named)
    caller.ask("DELETE", f"/nodes/{segment(node.node)}?force={str(force).lower()}", Any)
    return (
        f"removed {node.name} ({node.node}): what ran there is lost, and its agent's token opens nothing any more;"
        " `farcell token create --user NAME --scope agent` makes one, should it come back"
    )


def _find(nodes: list[NodeView], named: str) -> NodeView:
    found = [node for node in nodes if named in (node.node, node.name)]
    if not found:
        raise NotFound(f"there is no node {named}: `farcell node list` shows them", node=named)
    if len(found) > 1:
        ids = [node.node for node in found]
        raise BadRequest(f"{len(found)} nodes are called {named}: name one by its id, {' or '.join(ids)}", nodes=ids)
    return found[0]


def _line(node: NodeView) -> str:
    state = "connected" if node.state == "connected" else f"no answer since {time.ctime(node.last_seen)}"
    devices = ", ".join(device.model for device in node.devices) or "cpu only"
    return f"{node.node}  {node.name:20} {devices:20} {state}"
