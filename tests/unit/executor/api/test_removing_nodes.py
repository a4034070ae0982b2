"""An admin lets go of a node: one that is out of reach at once, a connected one only by force, its own never."""

import asyncio

import pytest

from farcell_executor import nodes
from farcell_executor.calls import Caller
from farcell_executor.model import RunState
from farcell_protocol.errors import BadRequest, Forbidden, NodeIsConnected, NotFound
from farcell_protocol.messages import api, keeping
from tests.fakes.far_node import FarNode, play
from tests.unit.executor.api.test_agent_tokens import is_connected, joined, until_connected
from tests.unit.executor.service import DEADLINE_S, Service, request


async def running_on_a_t4(service: Service) -> api.RunView:
    """A held run."""
    asked = request(play(hold=True), gpu="T4")
    await service.ask("POST", "/runs", api.RunView, asked)
    runs = service.executor.driver.machine.runs
    await service.until(lambda: runs[asked.run].state is RunState.RUNNING)
    return await service.ask("GET", f"/runs/{asked.run}", api.RunView)


async def ended(service: Service, run: api.RunView) -> api.RunView:
    await service.until(lambda: service.executor.driver.machine.run(run.run) is None)
    return await service.ask("GET", f"/runs/{run.run}", api.RunView)


@pytest.fixture
def far() -> FarNode:
    return FarNode(("T4",), embedded=False)


async def away(service: Service, far: FarNode) -> None:
    far.connection.cut()
    await service.until(lambda: not is_connected(service, far.id))


async def test_a_node_that_is_out_of_reach_is_given_up_at_once(service: Service, far: FarNode):
    await service.join(far)
    run = await running_on_a_t4(service)
    await away(service, far)
    await service.ask("DELETE", f"/nodes/{far.id}")
    over = await ended(service, run)
    assert over.outcome == "lost"
    assert over.reason is not None
    assert over.reason.code == "node-lost"
    assert far.id not in [one.node for one in await service.ask("GET", "/nodes", list[api.NodeView])]


async def test_a_connected_node_is_removed_by_force_only_and_what_runs_there_is_stopped(service: Service, far: FarNode):
    await service.join(far)
    run = await running_on_a_t4(service)
    with pytest.raises(NodeIsConnected, match="end its agent there first, or remove it with --force"):
        await service.ask("DELETE", f"/nodes/{far.id}")
    assert is_connected(service, far.id)
    link = far.connection
    await service.ask("DELETE", f"/nodes/{far.id}?force=true")
    assert (await ended(service, run)).outcome == "lost"
    assert [one.worker for one in link.told if isinstance(one, keeping.Stop)] == far.starts
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.wait(service.links[-1:])
    assert link.closed


async def test_its_agent_does_not_come_back_with_the_token_it_had(service: Service, far: FarNode):
    token = await service.token_of("host", "agent")
    async with joined(service, token, far) as socket:
        await until_connected(service, far)
        await service.ask("DELETE", f"/nodes/{far.id}?force=true")
        async with asyncio.timeout(DEADLINE_S):
            await socket.wait_closed()
    tokens = await service.ask("GET", "/tokens", list[api.TokenView])
    assert [one.revoked is not None for one in tokens if one.node == far.id] == [True]
    async with joined(service, await service.token_of("host", "agent"), far):
        await until_connected(service, far)


async def test_the_executors_own_node_stays(service: Service, node: FarNode):
    with pytest.raises(NodeIsConnected, match="this executor's own"):
        await service.ask("DELETE", f"/nodes/{node.id}?force=true")
    assert is_connected(service, node.id)


async def test_only_admins_remove_nodes_and_only_those_there_are(service: Service, far: FarNode):
    with pytest.raises(NotFound, match="farcell node list"):
        await service.ask("DELETE", f"/nodes/{far.id}")
    with pytest.raises(Forbidden):
        await service.ask("DELETE", f"/nodes/{far.id}", token=await service.token_of("ada"))


async def test_the_command_takes_an_id_or_a_name_that_only_one_node_has(service: Service, far: FarNode):
    caller = Caller(f"unix://{service.socket_path}", service.token)
    await service.join(far)
    await away(service, far)
    lines = await asyncio.to_thread(nodes.listing, caller)
    assert any(far.id in line and "T4" in line and "no answer since" in line for line in lines)
    with pytest.raises(BadRequest, match="2 nodes are called far: name one by its id"):
        await asyncio.to_thread(nodes.let_go, caller, "far", force=False)
    assert "removed far" in await asyncio.to_thread(nodes.let_go, caller, far.id, force=False)
    with pytest.raises(NotFound, match="there is no node elsewhere"):
        await asyncio.to_thread(nodes.let_go, caller, "elsewhere", force=False)
