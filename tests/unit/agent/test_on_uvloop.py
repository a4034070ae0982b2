"""The agent on the executor's event loop, whose transports are not of asyncio's classes."""

import os
import signal

import uvloop

from farcell_protocol.messages.keeping import Frames
from farcell_protocol.messages.link import KeeperChanged
from farcell_protocol.places import Places
from tests.fakes.executor_end import embedded
from tests.fakes.nodes import eventually, keepers_of


def test_runs_much_output_and_a_dead_keeper_on_uvloop(where: Places):
    async def scenario() -> None:
        async with embedded(where) as executor:
            worker = await executor.ready()
            assert await executor.text(await executor.execute(worker, "say:hello")) == "hello"
            run = await executor.execute(worker, f"bytes:{32 * 2**20}")
            received = 0
            while received < 32 * 2**20:
                received += sum(len(memoryview(frame)) for frame in (await executor.next(Frames)).frames)
            os.kill(executor.hello.keeper_pid, signal.SIGKILL)
            while not isinstance(message := await executor.link.receive(), KeeperChanged):
                assert isinstance(message, Frames)
                assert message.run == run
            await executor.ready()
            executor.link.leave_for_good()

    uvloop.run(scenario())


def test_last_orders_reach_the_keeper_before_it_is_sent_home_on_uvloop(where: Places):
    async def scenario() -> None:
        async with embedded(where) as executor:
            assert keepers_of(where) == [executor.hello.keeper_pid]
        await eventually(lambda: not keepers_of(where), "the keeper left")

    uvloop.run(scenario())
