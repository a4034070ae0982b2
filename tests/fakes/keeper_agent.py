"""A keeper process and an agent of it, both for tests: blocking, with a deadline on everything."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from farcell_protocol.errors import ErrorInfo
from farcell_protocol.frames import End, Frame, Message, decode_frame
from farcell_protocol.framing import RecordReader, encode
from farcell_protocol.ids import RunId, WorkerId, new_run_id, new_worker_id
from farcell_protocol.messages import keeping as k
from farcell_protocol.places import Places
from farcell_protocol.stream import Receiver
from farcell_protocol.version import OLDEST, PROTOCOL
from tests.fakes.waiting import eventually, is_running

DEADLINE_S = 20.0


@dataclass
class Got:
    """What an agent has of a run."""

    receiver: Receiver = field(default_factory=Receiver)
    frames: list[Frame] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(f.content.get("text", "") for f in self.frames if isinstance(f, Message))

    @property
    def end(self) -> End:
        assert isinstance(self.frames[-1], End)
        return self.frames[-1]

    @property
    def reason(self) -> ErrorInfo:
        assert self.end.reason is not None
        return self.end.reason


class Agent:
    """One connection. What comes is sorted into `runs`, `workers`, `refused` as it is read."""

    def __init__(self, places: Places, runs: dict[RunId, Got] | None = None) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(DEADLINE_S)
        self.sock.connect(str(places.keeper_socket))
        self._reader = RecordReader()
        self._decoder = msgspec.msgpack.Decoder(k.FromKeeper)
        self.runs: dict[RunId, Got] = runs if runs is not None else {}
        self.workers: dict[WorkerId, k.WorkerReport] = {}
        self._were_ready: dict[WorkerId, k.WorkerReport] = {}
        self.refused: list[k.KeeperRefused] = []
        self.welcome: k.Welcome | None = None
        self.order: list[object] = []

    def send(self, *messages: msgspec.Struct) -> None:
        self.sock.sendall(b"".join(map(encode, messages)))

    def greet(self) -> k.Welcome:
        self.welcome = None
        self.send(k.Greet(PROTOCOL, OLDEST, os.getpid()))
        self.until(lambda: self.welcome is not None)
        assert self.welcome is not None
        return self.welcome

    def read(self, size: int = 65536) -> bool:
        data = self.sock.recv(size)
        for body in self._reader.receive_bytes(data):
            self._take(self._decoder.decode(body))
        return bool(data)

    def until(self, condition: Callable[[], object]) -> None:
        while not condition():
            if not self.read():
                raise ConnectionError("the keeper closed the connection")

    def closed(self) -> bool:
        with suppress(ConnectionError):
            while self.read():
                pass
        return True

    def _take(self, message: k.FromKeeper) -> None:
        match message:
            case k.Welcome():
                self.welcome = message
                self.workers |= {report.worker: report for report in message.workers}
            case k.WorkerChanged(report):
                self.workers[report.worker] = report
                if report.state == "ready":
                    self._were_ready[report.worker] = report
                self.order.append(report.state)
            case k.Frames(run, first, frames, end):
                got = self.runs.setdefault(run, Got())
                skipped = got.receiver.accept(first, len(frames), end=end)
                got.frames += map(decode_frame, frames[skipped:])
                if end:
                    self.order.append("end")
            case k.KeeperRefused():
                self.refused.append(message)

    def launch(self, spec: k.ProcessSpec) -> WorkerId:
        worker = new_worker_id()
        self.send(k.Launch(worker, spec))
        return worker

    def ready(self, worker: WorkerId) -> k.WorkerReport:
        """What the keeper said when it became ready; it may have ended since."""
        self.until(lambda: worker in self._were_ready)
        return self._were_ready[worker]

    def exited(self, worker: WorkerId) -> k.Exit:
        self.until(lambda: worker in self.workers and self.workers[worker].exit is not None)
        found = self.workers[worker].exit
        assert found is not None
        return found

    def execute(self, worker: WorkerId, *steps: Iterable[object], aside: bool = False) -> RunId:
        run = new_run_id()
        self.send(k.Execute(worker, run, json.dumps(steps).encode(), aside))
        return run

    def said(self, run: RunId, text: str) -> Got:
        self.until(lambda: run in self.runs and text in self.runs[run].text)
        return self.runs[run]

    def ended(self, run: RunId) -> Got:
        self.until(lambda: run in self.runs and self.runs[run].receiver.ended)
        return self.runs[run]

    def refusal(self) -> k.KeeperRefused:
        self.until(lambda: self.refused)
        return self.refused.pop(0)

    def close(self) -> None:
        self.sock.close()


class KeeperProcess:
    """`python -m farcell_keeper`, started and ended by a test; knows every process below it."""

    def __init__(self, places: Places, environ: dict[str, str] | None = None, *, idle_exit_s: float = 60.0) -> None:
        self.places = places
        self._agents: list[Agent] = []
        ready, ready_there = os.pipe()
        arguments = ["--data", str(places.data), "--runtime", str(places.runtime)]
        arguments += ["--idle-exit-s", str(idle_exit_s), "--ready-fd", str(ready_there)]
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "farcell_keeper", *arguments],
            env={**os.environ, **(environ or {})},
            pass_fds=[ready_there],
            start_new_session=True,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(ready_there)
        with open(ready, "rb", buffering=0) as pipe:
            assert select.select([pipe], [], [], DEADLINE_S)[0], "not ready"
            self.is_ready = bool(pipe.read(1))

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return self.places.keeper_log.read_text()

    def agent(self, runs: dict[RunId, Got] | None = None) -> Agent:
        """A new connection that has greeted."""
        agent = self.stranger(runs)
        agent.greet()
        return agent

    def stranger(self, runs: dict[RunId, Got] | None = None) -> Agent:
        agent = Agent(self.places, runs)
        self._agents.append(agent)
        return agent

    def below(self) -> list[int]:
        """The pids of all its descendants."""
        found, queue = [], [self.pid]
        while queue:
            queue = [child for pid in queue for child in children_of(pid)]
            found += queue
        return found

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def wait(self) -> int:
        return self.process.wait(DEADLINE_S)

    def end(self) -> None:
        """SIGTERM, and if that does not help SIGKILL; then nothing of it may be left."""
        for agent in self._agents:
            agent.close()
        left = self.below()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            assert self.process.stderr is not None
            self.process.stderr.close()
        eventually(lambda: not any(map(is_running, left)), f"processes of the keeper are left: {left}")


def children_of(pid: int) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
                if int(parent) == pid and state != "Z":
                    found.append(int(folder.name))
    return found
