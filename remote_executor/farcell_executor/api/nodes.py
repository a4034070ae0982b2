"""Nodes and devices over REST."""

from litestar import get, post
from litestar.params import JSONBody

from farcell_executor.api.asked import Here
from farcell_executor.api.auth import admins_only
from farcell_protocol.gpus import parse_gpus
from farcell_protocol.messages.api import DeviceView, NodeView, Simulate


@get("/nodes")
async def list_nodes(executor: Here) -> list[NodeView]:
    """All GPU hosts with their devices, and who holds them."""
    return [executor.views.node(node) for node in executor.driver.machine.nodes.values()]


@post("/devices/simulate", guards=[admins_only], status_code=200)
async def simulate(executor: Here, data: JSONBody[Simulate]) -> list[DeviceView]:
    """Declare simulated devices on the executor's own node; answers with all its devices."""
    parse_gpus(data.gpus)
    return executor.views.devices(await executor.agents.simulate(data.gpus))
