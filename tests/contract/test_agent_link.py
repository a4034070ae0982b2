"""What every link between an executor and an agent keeps to: see `farcell_agent.link`."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec
import pytest

from farcell_agent.link import ExecutorEnd, Link, LinkClosed, link_pair
from farcell_agent.websocket_link import WebsocketLink, dial
from farcell_protocol.ids import RunId, WorkerId
from farcell_protocol.messages.keeping import Ack, Execute, Frames, SendInterrupt
from tests.fakes.executor_server import TOKEN, fake_executor

MIB = 2**20


@dataclass
class Ends:
    agent: Link
    executor: ExecutorEnd


@pytest.fixture(params=["inside one process", "websocket"])
async def ends(request: pytest.FixtureRequest) -> AsyncIterator[Ends]:
    if request.param == "inside one process":
        yield Ends(*link_pair())
        return
    async with fake_executor() as executor:
        agent = WebsocketLink(await dial(executor.url, TOKEN))
        yield Ends(agent, await executor.link())
        await agent.close()


def frames(first: int, size_bytes: int = 1) -> Frames:
    return Frames(RunId("r"), first, [msgspec.Raw(msgspec.msgpack.encode(bytes(size_bytes)))])


async def test_messages_of_one_direction_arrive_in_order_once(ends: Ends):
    for n in range(100):
        await ends.agent.send(frames(n))
        await ends.executor.send(Ack(RunId("r"), n))
    assert [(await ends.executor.receive()).first for _ in range(100)] == list(range(100))
    assert [(await ends.agent.receive()).n for _ in range(100)] == list(range(100))


async def test_raw_frames_arrive_unchanged(ends: Ends):
    sent = frames(1, 300_000)
    await ends.agent.send(sent)
    received = await ends.executor.receive()
    assert isinstance(received, Frames)
    assert [bytes(frame) for frame in received.frames] == [bytes(frame) for frame in sent.frames]


async def test_a_large_execute_passes(ends: Ends):
    payload = bytes(40 * MIB)
    sending = asyncio.create_task(ends.executor.send(Execute(WorkerId("w"), RunId("r"), payload)))
    received = await ends.agent.receive()
    assert isinstance(received, Execute)
    assert received.payload == payload
    await sending


async def test_sending_waits_for_a_slow_receiver_and_goes_on_with_it(ends: Ends):
    count, sent = 64, 0

    async def send_all() -> None:
        nonlocal sent
        for n in range(count):
            await ends.agent.send(frames(n, MIB))
            sent += 1

    sending = asyncio.create_task(send_all())
    done, _ = await asyncio.wait({sending}, timeout=0.3)
    assert not done
    # What the kernel's socket buffers and a websocket's queue take is not ours to bound exactly.
    assert sent < 48
    assert [(await ends.executor.receive()).first for _ in range(count)] == list(range(count))
    await sending


async def test_control_arrives_while_output_is_stuck(ends: Ends):
    sending = asyncio.create_task(_send_for_ever(ends.agent))
    await asyncio.wait({sending}, timeout=0.2)
    await ends.executor.send(SendInterrupt(WorkerId("w"), RunId("r")))
    async with asyncio.timeout(5):
        assert await ends.agent.receive() == SendInterrupt(WorkerId("w"), RunId("r"))
    sending.cancel()
    await asyncio.wait({sending})


async def test_after_the_other_side_closed_what_had_arrived_is_still_handed_out(ends: Ends):
    await ends.executor.send(Ack(RunId("r"), 1))
    await ends.executor.close()
    assert await ends.agent.receive() == Ack(RunId("r"), 1)
    with pytest.raises(LinkClosed):
        await ends.agent.receive()
    with pytest.raises(LinkClosed):
        await ends.agent.send(frames(1))


async def test_closing_twice_and_while_somebody_receives_is_fine(ends: Ends):
    begun = asyncio.Event()

    async def receive() -> None:
        begun.set()  # nobody else runs between this and the waiting
        await ends.agent.receive()

    receiving = asyncio.create_task(receive())
    await begun.wait()
    await ends.agent.close()
    await ends.agent.close()
    with pytest.raises(LinkClosed):
        await receiving
    with pytest.raises(LinkClosed):
        await ends.executor.receive()
    with pytest.raises(LinkClosed):
        await ends.agent.send(frames(1))


async def test_whoever_waits_to_send_hears_of_the_end(ends: Ends):
    sending = asyncio.create_task(_send_for_ever(ends.agent))
    await asyncio.wait({sending}, timeout=0.1)
    await ends.executor.close()
    async with asyncio.timeout(5):
        with pytest.raises(LinkClosed):
            await sending


async def _send_for_ever(link: Link) -> None:
    n = 0
    while True:
        await link.send(frames(n := n + 1, MIB))
