"""An agent's token speaks for one node, and whoever uses it for another is told why that is refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection

from farcell_executor.model import NodeState
from farcell_protocol.errors import BadRequest
from farcell_protocol.framing import pack
from farcell_protocol.ids import NodeId, TokenId, new_node_id
from farcell_protocol.messages import api, link
from tests.fakes.far_node import FarNode
from tests.unit.executor.service import DEADLINE_S, MovedClock, Service, dial, serving, settings_for

_decoder: "msgspec.msgpack.Decoder[link.ToAgent]" = msgspec.msgpack.Decoder(link.ToAgent)


@asynccontextmanager
async def joined(service: Service, token: str, host: FarNode, **hello: object) -> AsyncIterator[ClientConnection]:
    """A websocket on which the node's agent has introduced itself."""
    async with dial(service.socket_path, "/v1/agents", token) as socket:
        first = host.dial(**hello).waiting.popleft()
        await socket.send(pack(first))
        yield socket


async def refusal_of(socket: ClientConnection) -> link.AgentRefused:
    """What the executor says before it hangs up."""
    async with asyncio.timeout(DEADLINE_S):
        said = _decoder.decode(await socket.recv(decode=False))
        await socket.wait_closed()
    assert isinstance(said, link.AgentRefused)
    return said


def is_connected(service: Service, node: NodeId) -> bool:
    found = service.executor.driver.machine.nodes.get(node)
    return found is not None and found.state is NodeState.CONNECTED


async def until_connected(service: Service, node: FarNode) -> None:
    await service.until(lambda: is_connected(service, node.id))


@pytest.fixture
def far() -> FarNode:
    return FarNode(("H100",), embedded=False)


async def test_the_first_node_that_uses_a_token_is_the_one_it_speaks_for(service: Service, far: FarNode):
    token = await service.token_of("host", "agent")
    other = FarNode(embedded=False)
    async with joined(service, token, far):
        await until_connected(service, far)
    async with joined(service, token, other) as stranger:
        refused = await refusal_of(stranger)
    assert refused.code == "forbidden"
    assert f"is for node {far.id}, and this is node {other.id}" in refused.message
    assert "farcell token create --user NAME --scope agent" in refused.message
    assert other.id not in service.executor.driver.machine.nodes
    (shown,) = [one for one in await service.ask("GET", "/tokens", list[api.TokenView]) if one.scope == "agent"]
    assert shown.node == far.id
    async with joined(service, token, far):
        await until_connected(service, far)


async def test_two_nodes_that_use_a_token_at_the_same_time_do_not_both_get_it(service: Service, far: FarNode):
    token = await service.token_of("host", "agent")
    other = FarNode(embedded=False)
    async with joined(service, token, far) as one, joined(service, token, other) as two:
        nodes = service.executor.driver.machine.nodes
        await service.until(lambda: far.id in nodes or other.id in nodes)
        refused = await refusal_of(two if far.id in nodes else one)
    assert refused.code == "forbidden"


async def test_a_token_made_for_a_node_is_for_no_other(service: Service, far: FarNode):
    asked = api.TokenRequest("host", "agent", node=new_node_id())
    made = await service.ask("POST", "/tokens", api.TokenView, asked)
    assert made.node == asked.node
    async with joined(service, made.secret or "", far) as socket:
        assert f"is for node {asked.node}" in (await refusal_of(socket)).message


@pytest.mark.parametrize(("scope", "named"), [("user", "n-000000000000"), ("agent", "gpu-host-1")])
async def test_only_an_agents_token_is_made_for_a_node_and_only_by_its_id(service: Service, scope: str, named: str):
    with pytest.raises(BadRequest, match="only an agent's token speaks for a node"):
        await service.ask("POST", "/tokens", api.TokenView, {"user": "host", "scope": scope, "node": named})


async def test_a_new_token_takes_a_node_over_only_when_the_old_one_is_revoked(service: Service, far: FarNode):
    old, new = await service.token_of("host", "agent"), await service.token_of("host", "agent")
    async with joined(service, old, far):
        await until_connected(service, far)
        async with joined(service, new, far) as thief:
            refused = await refusal_of(thief)
        assert refused.code == "forbidden"
        assert f"farcell token revoke {old.partition('.')[0]}" in refused.message
        assert is_connected(service, far.id), "the node that was there is left in peace"
        await service.executor.tokens.revoke(TokenId(old.partition(".")[0]))
        await service.until(lambda: not is_connected(service, far.id))
    async with joined(service, new, far):
        await until_connected(service, far)


async def test_nobody_who_dials_speaks_for_the_executors_own_node(service: Service, node: FarNode, far: FarNode):
    token = await service.token_of("host", "agent")
    async with joined(service, token, far, node=node.id) as socket:
        assert "is this executor's own" in (await refusal_of(socket)).message
    async with joined(service, token, far, embedded=True) as socket:
        assert (await refusal_of(socket)).code == "forbidden"
    assert is_connected(service, node.id)


async def test_what_a_token_is_bound_to_outlives_the_executor(tmp_path: Path, far: FarNode, clock: MovedClock):
    settings = replace(settings_for(tmp_path), memory_store=False)
    async with serving(settings, clock=clock) as first:
        token = await first.token_of("host", "agent")
        async with joined(first, token, far):
            await until_connected(first, far)
    async with serving(settings, clock=clock) as second:
        async with joined(second, token, FarNode(embedded=False)) as socket:
            assert (await refusal_of(socket)).code == "forbidden"
        async with joined(second, token, far):
            await until_connected(second, far)
