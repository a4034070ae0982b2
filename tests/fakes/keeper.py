"""A keeper without workers: it speaks `messages/keeping.py` over its socket and acts out what payloads say.

`say:TEXT` prints it, `lines:N` prints N lines, `bytes:N` prints about N bytes, `wait:FILE` runs until it is
interrupted and then makes the file, `exit` ends the worker under the run. Run as a script with a keeper's arguments.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from farcell_host.locks import LockFile
from farcell_protocol.errors import ErrorInfo
from farcell_protocol.frames import End, Frame, Message
from farcell_protocol.framing import RecordReader, encode
from farcell_protocol.ids import RunId, WorkerId
from farcell_protocol.messages import keeping as k

_BATCH = 64


@dataclass
class Run:
    worker: WorkerId
    payload: str
    frames: list[msgspec.Raw] = field(default_factory=list)
    acknowledged: int = 0
    ended: bool = False
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def add(self, *frames: Frame) -> None:
        async with self.changed:
            self.frames += [msgspec.Raw(msgspec.msgpack.encode(frame)) for frame in frames]
            self.ended = isinstance(frames[-1], End)
            self.changed.notify_all()


class StandIn:
    """What one keeper keeps."""

    def __init__(self) -> None:
        self.started = time.time()
        self.workers: dict[WorkerId, k.WorkerReport] = {}
        self.runs: dict[RunId, Run] = {}
        self.interrupts: dict[RunId, asyncio.Event] = {}
        self.writer: asyncio.StreamWriter | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self.flows: set[asyncio.Task[None]] = set()
        self.leaving = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        records, decoder = RecordReader(), msgspec.msgpack.Decoder(k.ToKeeper)
        while data := await reader.read(2**16):
            for body in records.receive_bytes(data):
                await self.obey(decoder.decode(body), writer)
        if self.writer is writer:
            self.let_go()
        writer.close()

    async def obey(self, message: k.ToKeeper, writer: asyncio.StreamWriter) -> None:
        match message:
            case k.Greet():
                self.let_go()
                self.writer = writer
                reports = [
                    k.RunReport(i, r.worker, len(r.frames), r.acknowledged, r.ended) for i, r in self.runs.items()
                ]
                await self.send(k.Welcome(1, os.getpid(), self.started, list(self.workers.values()), reports))
            case k.Launch(worker, spec) if worker not in self.workers:
                await self.launch(worker, spec)
            case k.Execute(worker, run, payload) if run not in self.runs:
                self.runs[run] = Run(worker, payload.decode())
                self.flow(run, 0)
                self.keep(self.tasks, self.act(run))
            case k.Resume(run, after) if run in self.runs:
                self.flow(run, after)
            case k.Ack(run, n) if run in self.runs:
                self.runs[run].acknowledged = n
                if self.runs[run].ended and n == len(self.runs[run].frames):
                    del self.runs[run]
            case k.SendInterrupt(_, run):
                self.interrupts.setdefault(run, asyncio.Event()).set()
            case k.Stop(worker, _, reason) if worker in self.workers:
                why = reason or ErrorInfo("worker-exited", "stopped")
                self.keep(self.tasks, self.exit(worker, why, expected=True))
            case k.Forget(worker):
                self.workers.pop(worker, None)
            case k.Quit():
                if not any(report.state != "exited" for report in self.workers.values()):
                    self.leaving.set()
            case _:
                pass

    async def launch(self, worker: WorkerId, spec: k.ProcessSpec) -> None:
        if Path(spec.interpreter).name == "refused":
            await self.send(k.KeeperRefused(ErrorInfo("worker-not-started", "no Python"), worker=worker))
            return
        report = k.WorkerReport(worker, "ready", spec, pid=os.getpid(), start_ticks=1, python="3.11")
        self.workers[worker] = report
        await self.send(k.WorkerChanged(report))

    async def act(self, run: RunId) -> None:
        kept = self.runs[run]
        verb, _, argument = kept.payload.partition(":")
        if verb == "exit":
            await self.exit(kept.worker, ErrorInfo("worker-exited", "it left"), expected=False)
            return
        if verb == "wait":
            await self.interrupts.setdefault(run, asyncio.Event()).wait()
            if argument:
                Path(argument).touch()
            await kept.add(End("error"))
            return
        for text in _texts(verb, argument):
            await kept.add(Message("stream", {"name": "stdout", "text": text}))
            await asyncio.sleep(0)
        await kept.add(End("ok"))

    async def exit(self, worker: WorkerId, error: ErrorInfo, *, expected: bool) -> None:
        mine = {run: kept for run, kept in self.runs.items() if kept.worker == worker}
        for kept in mine.values():
            if not kept.ended:
                await kept.add(End("lost", error))
        old = self.workers[worker]
        exited = k.WorkerReport(worker, "exited", old.spec, exit=k.Exit(error, expected=expected))
        self.workers[worker] = exited
        if ending := [flow for flow in self.flows if flow.get_name() in mine]:
            await asyncio.wait(ending)  # the ends go first
        await self.send(k.WorkerChanged(exited))

    def flow(self, run: RunId, after: int) -> None:
        self.keep(self.flows, self.send_frames(run, after), run)

    async def send_frames(self, run: RunId, after: int) -> None:
        kept = self.runs[run]
        while not (kept.ended and after == len(kept.frames)):
            async with kept.changed:
                while len(kept.frames) <= after:
                    await kept.changed.wait()
            batch = kept.frames[after : after + _BATCH]
            end = kept.ended and after + len(batch) == len(kept.frames)
            await self.send(k.Frames(run, after + 1, batch, end))
            after += len(batch)

    async def send(self, message: k.FromKeeper) -> None:
        if self.writer is not None:
            self.writer.write(encode(message))
            try:
                await self.writer.drain()
            except ConnectionError:
                return

    def let_go(self) -> None:
        for task in self.flows:
            task.cancel()
        if self.writer is not None:
            self.writer.close()
        self.writer = None

    @staticmethod
    def keep(where: set[asyncio.Task[None]], doing: Coroutine[Any, Any, None], name: str | None = None) -> None:
        task = asyncio.create_task(doing, name=name)
        where.add(task)
        task.add_done_callback(where.discard)


def _texts(verb: str, argument: str) -> Iterator[str]:
    if verb == "say":
        yield argument
    elif verb == "lines":
        yield from (f"{n}\n" for n in range(1, int(argument) + 1))
    elif verb == "bytes":
        yield from ("x" * 2**16 for _ in range(int(argument) // 2**16))


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path)
    parser.add_argument("--runtime", type=Path)
    parser.add_argument("--ready-fd", type=int)
    options = parser.parse_args()
    lock = LockFile(options.data / "keeper.lock")
    if not lock.take():
        raise SystemExit(os.EX_TEMPFAIL)
    path = options.runtime / "keeper.sock"
    path.unlink(missing_ok=True)
    keeper = StandIn()
    await asyncio.start_unix_server(keeper.serve, path)
    os.write(options.ready_fd, b"1")
    os.close(options.ready_fd)
    await keeper.leaving.wait()
    path.unlink()
    lock.close()


if __name__ == "__main__":
    asyncio.run(main())
