"""The executor's side of an agent, driven by a test: any end of a link, wrapped in what tests ask for."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Protocol, TypeVar

from farcell_agent.agent import Agent
from farcell_agent.app import Parts, embedded_agent, node_agent
from farcell_agent.nvml import Nvml
from farcell_protocol.frames import Message, decode_frame
from farcell_protocol.ids import RunId, WorkerId, new_run_id, new_session_id, new_worker_id
from farcell_protocol.messages.api import Interpreter
from farcell_protocol.messages.keeping import Execute, Frames, WorkerChanged
from farcell_protocol.messages.link import AgentHello, FromAgent, StartWorker, ToAgent
from farcell_protocol.places import Places
from tests.fakes.nodes import STAND_IN
from tests.fakes.nvml import FakeNvml

M = TypeVar("M")
HERE = Interpreter(sys.executable, "3.11")


class Messages(Protocol):
    async def send(self, message: ToAgent) -> None: ...
    async def receive(self) -> FromAgent: ...


class Executor:
    """An executor's end: the hello, and the messages after it."""

    def __init__(self, link: Messages, hello: AgentHello) -> None:
        self.link = link
        self.hello = hello

    async def next(self, kind: type[M]) -> M:
        async with asyncio.timeout(10):
            message = await self.link.receive()
        assert isinstance(message, kind), message
        return message

    async def start(self, **order: Any) -> WorkerId:
        worker = new_worker_id()
        await self.link.send(StartWorker(worker, **({"session": new_session_id(), "python": HERE} | order)))
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
        return await self.text_until(run, None)

    async def text_until(self, run: RunId, wanted: str | None) -> str:
        """What the run prints until it ends, or until it has printed this."""
        said = ""
        while said != wanted:
            frames = await self.next(Frames)
            assert frames.run == run
            messages = [decode_frame(frame) for frame in frames.frames]
            said += "".join(m.content["text"] for m in messages if isinstance(m, Message) and m.msg_type == "stream")
            if frames.end:
                break
        return said


@asynccontextmanager
async def embedded(where: Places, library: FakeNvml | None = None, **options: Any) -> AsyncIterator[Executor]:
    nvml = Nvml(lambda: library or FakeNvml())
    options = {"keeper_command": STAND_IN} | options
    async with embedded_agent(where, node_name="here", nvml=nvml, **options) as link:
        async with asyncio.timeout(10):
            hello = await link.receive()
        assert isinstance(hello, AgentHello)
        yield Executor(link, hello)


@contextmanager
def separate(where: Places, **options: Any) -> Iterator[Agent]:
    """The agent of a host of its own, in this process."""
    parts = Parts(where, "there", nvml=Nvml(FakeNvml), keeper_command=STAND_IN, **options)
    with node_agent(parts) as node:
        yield node.agent
