"""The agent inside an executor's process: the in-process link, a real keeper process (the stand-in), no worker."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from farcell_agent.app import EmbeddedAgent, embedded_agent
from farcell_agent.nvml import Nvml
from farcell_protocol.errors import DataDirectoryInUse, ErrorInfo
from farcell_protocol.frames import Message, decode_frame
from farcell_protocol.ids import RunId, SessionId, WorkerId, new_run_id, new_session_id, new_worker_id
from farcell_protocol.messages.api import Interpreter
from farcell_protocol.messages.keeping import (
    Ack,
    Execute,
    Forget,
    Frames,
    KeeperRefused,
    Resume,
    SendInterrupt,
    Stop,
    WorkerChanged,
)
from farcell_protocol.messages.link import AgentHello, DevicesChanged, KeeperChanged, SimulateDevices, StartWorker
from farcell_protocol.places import Places
from tests.fakes.nodes import STAND_IN, eventually, keepers_of
from tests.fakes.nvml import FakeNvml, gpus

M = TypeVar("M")
HERE = Interpreter(os.path.realpath("/proc/self/exe"), "3.11")


class Executor:
    """An executor's end: the hello, and the messages after it."""

    def __init__(self, link: EmbeddedAgent, hello: AgentHello) -> None:
        self.link = link
        self.hello = hello

    async def next(self, kind: type[M]) -> M:
        async with asyncio.timeout(10):
            message = await self.link.receive()
        assert isinstance(message, kind), message
        return message

    async def start(self, **order: Any) -> WorkerId:
        worker = new_worker_id()
        await self.link.send(StartWorker(worker, order.pop("session", new_session_id()), HERE, **order))
        return worker

    async def ready(self, **order: Any) -> WorkerId:
        worker = await self.start(**order)
        changed = await self.next(WorkerChanged)
        assert (changed.report.worker, changed.report.state) == (worker, "ready"), changed
        return worker

    async def execute(self, worker: WorkerId, payload: str) -> RunId:
        run = new_run_id()
        await self.link.send(Execute(worker, run, payload.encode()))
        return run

    async def text(self, run: RunId) -> str:
        said = ""
        while True:
            frames = await self.next(Frames)
            assert frames.run == run
            messages = [decode_frame(frame) for frame in frames.frames]
            said += "".join(m.content["text"] for m in messages if isinstance(m, Message))
            if frames.end:
                return said


@asynccontextmanager
async def embedded(where: Places, library: FakeNvml | None = None, **options: Any) -> AsyncIterator[Executor]:
    nvml = Nvml(lambda: library or FakeNvml())
    async with embedded_agent(where, node_name="here", nvml=nvml, keeper_command=STAND_IN, **options) as link:
        async with asyncio.timeout(10):
            hello = await link.receive()
        assert isinstance(hello, AgentHello)
        yield Executor(link, hello)


async def test_it_introduces_itself_with_everything_it_has(where: Places):
    async with embedded(where, simulate="H100:2") as executor:
        hello = executor.hello
    assert (hello.name, hello.embedded, hello.workers, hello.runs) == ("here", True, [], [])
    assert [(d.model, d.index, d.simulated) for d in hello.devices] == [("H100", 0, True), ("H100", 1, True)]
    assert hello.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert hello.notes == ["the NVIDIA driver is loaded but reports no GPU"]


async def test_a_run_goes_to_the_keeper_and_its_frames_come_back(where: Places):
    async with embedded(where) as executor:
        worker = await executor.ready()
        run = await executor.execute(worker, "say:hello")
        assert await executor.text(run) == "hello"
