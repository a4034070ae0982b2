"""Nodes and devices over REST."""

from litestar import delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from farcell_executor.api.asked import Here
from farcell_executor.api.auth import admins_only
from farcell_protocol.gpus import parse_gpus
from farcell_protocol.ids import NodeId
from farcell_protocol.messages.api import DeviceView, NodeView, Simulate


@get("/nodes")
async def list_nodes(executor: Here) -> list[NodeView]:
    """All GPU hosts with their devices, and who holds them."""
    return [executor.views.node(node) for node in executor.driver.machine.nodes.values()]


@delete("/nodes/{node:str}", guards=[admins_only], status_code=204)
async def remove_node(executor: Here, node: FromPath[str], force: FromQuery[bool] = False) -> None:
    """Give a GPU host up: its runs are lost, its agent's token is revoked. A connected one only with `force`."""
    await executor.fleet.remove(NodeId(node), force=force)


@post("/devices/simulate", guards=[admins_only], status_code=200)
async def simulate(executor: Here, data: JSONBody[Simulate]) -> list[DeviceView]:
    """Declare simulated devices on the executor's own node; answers with all its devices."""
    parse_gpus(data.gpus)
    return executor.views.devices(await executor.agents.simulate(data.gpus))
