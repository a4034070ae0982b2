"""A GPU host without processes: an agent and its keeper in one object, honest about what they promise.

It starts a worker and executes a run at most once per id, keeps a run's frames until they are acknowledged,
sends old ones only when asked to resume, and gives the runs of a stopped worker their `End`. A run's
payload says what it "executes": see `play`.
"""

import asyncio
import os
from collections import deque
from dataclasses import dataclass, field

import msgspec

from farcell_executor.links import LinkLost
from farcell_protocol.errors import Cancelled, ErrorInfo, WorkerExited, WorkerNotStarted
from farcell_protocol.frames import End, Heard, Message, Variables
from farcell_protocol.framing import pack
from farcell_protocol.ids import NodeId, RunId, WorkerId, new_node_id
from farcell_protocol.messages import keeping, link


def play(*lines: str, hold: bool = False, size_bytes: int = 0, count: int = 0) -> bytes:
    """A payload that prints these lines, then `count` numbered ones of about `size_bytes`; held, it ends when told."""
    return msgspec.json.encode({"lines": lines, "hold": hold, "size_bytes": size_bytes, "count": count})


@dataclass
class Kept:
    """A run as its keeper has it."""

    worker: WorkerId
    frames: list[bytes] = field(default_factory=list)
    acknowledged: int = 0
    ended: bool = False
    interrupts: int = 0


class FarNode:
    """The host. `dial()` is a new connection; everything else survives it."""

    def __init__(self, devices: tuple[str, ...] = (), *, embedded: bool = True) -> None:
        self.id: NodeId = new_node_id()
        self.embedded = embedded
        self.devices = list(devices)
        self.workers: dict[WorkerId, keeping.WorkerReport] = {}
        self.runs: dict[RunId, Kept] = {}
        self.executions: list[RunId] = []
        self.starts: list[WorkerId] = []
        self.forgotten: list[WorkerId] = []
        self.told: list[tuple[RunId, bytes]] = []
        self.deaf = False
        self.connection: FarLink

    def dial(self, **hello: object) -> "FarLink":
        """A new connection, whose first message introduces the host."""
        self.connection = FarLink(self)
        self.connection.say(self._hello(**hello))
        return self.connection

    def say(self, message: link.FromAgent) -> None:
        """Send over the present connection; nothing while it is `deaf`."""
        if not self.deaf:
            self.connection.say(message)

    def add_output(self, run: RunId, *texts: str) -> None:
        """Let a held run print."""
        self._add(run, [pack(Message("stream", {"name": "stdout", "text": text})) for text in texts])

    def end(
        self, run: RunId, outcome: str = "ok", reason: ErrorInfo | None = None, variables: Variables | None = None
    ) -> None:
        """Let a held run end."""
        kept = self.runs[run]
        if not kept.ended:
            kept.ended = True
            self._add(run, [pack(End(outcome, reason, variables=variables))])  # type: ignore[arg-type]

    def obey(self, message: link.ToAgent) -> None:
        """Do what the executor says."""
        match message:
            case link.StartWorker(worker, devices=devices) if worker not in self.workers:
                self.starts.append(worker)
                self._start(worker, list(devices))
            case keeping.Execute(worker, run, payload) if run not in self.runs:
                self.executions.append(run)
                self._execute(worker, run, msgspec.json.decode(payload or play(hold=True)))
            case keeping.Tell(_, run, tell, payload) if run in self.runs and not self.runs[run].ended:
                self.told.append((run, payload))
                self._add(run, [pack(Heard([tell]))])
            case keeping.Resume(run, after):
                kept = self.runs[run]
                self._send(run, after + 1, kept.frames[after:], kept.ended)
            case keeping.Ack(run, n) if run in self.runs:
                kept = self.runs[run]
                kept.acknowledged = max(kept.acknowledged, n)
                if kept.ended and kept.acknowledged >= len(kept.frames):
                    del self.runs[run]
            case keeping.SendInterrupt(_, run) if run in self.runs:
                self.runs[run].interrupts += 1
            case keeping.Stop(worker, _, reason) if worker in self.workers:
                self._stop(worker, reason or Cancelled("stopped").info())
            case keeping.Stop(worker):
                never = keeping.Exit(WorkerNotStarted("never reached this node").info(), expected=True)
                spec = keeping.ProcessSpec("python", "/")
                self.say(keeping.WorkerChanged(keeping.WorkerReport(worker, "exited", spec, exit=never)))
            case keeping.Forget(worker):
                self.forgotten.append(worker)
                self.workers.pop(worker, None)
            case link.SimulateDevices(gpus):
                self.devices.append(gpus)
                self.say(link.DevicesChanged(self._reports()))

    def exit(self, worker: WorkerId, code: int = 3) -> None:
        """A worker leaves by itself."""
        self._stop(worker, WorkerExited("exited", exit_code=code).info())

    def _start(self, worker: WorkerId, devices: list[str]) -> None:
        spec = keeping.ProcessSpec("python", "/", devices=devices)  # type: ignore[arg-type]
        report = keeping.WorkerReport(worker, "ready", spec, pid=1000 + len(self.starts), start_ticks=1)
        self.workers[worker] = report
        self.say(keeping.WorkerChanged(report))

    def _execute(self, worker: WorkerId, run: RunId, what: dict[str, object]) -> None:
        self.runs[run] = Kept(worker)
        lines = [str(line) for line in what["lines"]]  # type: ignore[attr-defined]
        size = int(str(what["size_bytes"]))
        lines += [f"{n} {'x' * size}\n" for n in range(1, int(str(what["count"])) + 1)]
        if lines:
            self.add_output(run, *lines)
        if not what["hold"]:
            self.end(run)

    def _stop(self, worker: WorkerId, reason: ErrorInfo) -> None:
        for run, kept in self.runs.items():
            if kept.worker == worker and not kept.ended:
                self.end(run, "lost", reason)
        gone = msgspec.structs.replace(self.workers[worker], state="exited", exit=keeping.Exit(reason))
        self.workers[worker] = gone
        self.say(keeping.WorkerChanged(gone))

    def _add(self, run: RunId, frames: list[bytes]) -> None:
        kept = self.runs[run]
        kept.frames += frames
        self._send(run, len(kept.frames) - len(frames) + 1, frames, kept.ended)

    def _send(self, run: RunId, first: int, frames: list[bytes], end: bool) -> None:
        if frames:
            self.say(keeping.Frames(run, first, [msgspec.Raw(frame) for frame in frames], end))

    def _reports(self) -> list[link.DeviceReport]:
        return [
            link.DeviceReport(f"d{index}", model, index, 80 * 2**30, simulated=True)  # type: ignore[arg-type]
            for index, model in enumerate(self.devices)
        ]

    def _hello(self, **other: object) -> link.AgentHello:
        hello = link.AgentHello(
            protocol=1,
            oldest=1,
            node=self.id,
            boot_id="boot",
            name="far",
            embedded=self.embedded,
            python="3.11",
            keeper_pid=os.getpid(),
            keeper_started=1.0,
            devices=self._reports(),
            workers=list(self.workers.values()),
            runs=[
                keeping.RunReport(run, kept.worker, len(kept.frames), kept.acknowledged, kept.ended)
                for run, kept in self.runs.items()
            ],
        )
        return msgspec.structs.replace(hello, **other)


class FarLink:
    """The executor's end of one connection to a `FarNode`. `told` is everything the executor sent."""

    def __init__(self, node: FarNode) -> None:
        self.told: list[link.ToAgent] = []
        self.closed = False
        self._node = node
        self.waiting: deque[link.FromAgent] = deque()
        self._news = asyncio.Event()

    def say(self, message: link.FromAgent) -> None:
        """Something for the executor to receive."""
        if not self.closed:
            self.waiting.append(message)
            self._news.set()

    async def send(self, message: link.ToAgent) -> None:
        if self.closed:
            raise LinkLost
        self.told.append(message)
        self._node.obey(message)

    async def receive(self) -> link.FromAgent:
        while not self.waiting:
            if self.closed:
                raise LinkLost
            self._news.clear()
            await self._news.wait()
        return self.waiting.popleft()

    async def close(self) -> None:
        self.cut()

    def cut(self) -> None:
        """The connection breaks; what was on its way is lost."""
        self.closed = True
        self.waiting.clear()
        self._news.set()
