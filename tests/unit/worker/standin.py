"""A tiny keeper: real processes, real descriptors, and no more of a keeper than these tests need."""

import array
import ctypes
import os
import socket
import subprocess
import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import xxhash

from farcell_protocol import framing
from farcell_protocol.frames import MAX_FRAME_BYTES, End, Frame, Message, Piece, ValueBack, decode_frame
from farcell_protocol.ids import RunId, TellId, WorkerId, new_run_id, new_tell_id, new_worker_id
from farcell_protocol.messages.cells import Cell, Told, Value, encode_cell, encode_told
from farcell_protocol.messages.work import (
    Began,
    ExitStatus,
    Failed,
    Fork,
    Forked,
    ForkRefused,
    FromWorker,
    FromZygote,
    Hello,
    Output,
    Tell,
    Work,
    ZygoteReady,
)
from farcell_protocol.pieces import Joiner

PYTHON = ".".join(map(str, sys.version_info[:3]))
DEADLINE_S = 30.0


def until(condition: Callable[[], Any], seconds: float = DEADLINE_S) -> Any:
    """Poll a condition that nothing announces, until it is true."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, "not within the deadline"
        time.sleep(0.01)


def children_of(pid: int) -> list[int]:
    """The children of a process."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                    found.append(int(folder.name))
    return found


class Records:
    """Messages of one kind from a socket, with who sent them."""

    def __init__(self, sock: socket.socket, kind: Any) -> None:
        self.sock = sock
        self._decoder = msgspec.msgpack.Decoder(kind)
        self._reader = framing.RecordReader()
        self._ready: list[Any] = []
        self.sender_pid = 0

    def next(self, seconds: float = DEADLINE_S) -> Any:
        """The next message; None at the end of the stream."""
        self.sock.settimeout(seconds)
        while not self._ready:
            data, ancillary, _flags, _address = self.sock.recvmsg(1 << 20, 256)
            if not data:
                return None
            for level, kind, raw in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                    self.sender_pid = int.from_bytes(raw[:4], sys.byteorder)
            self._ready += [self._decoder.decode(body) for body in self._reader.receive_bytes(data)]
        return self._ready.pop(0)


@dataclass
class Ran:
    """All frames of a run."""

    frames: list[Frame] = field(default_factory=list)

    @property
    def end(self) -> End:
        assert isinstance(self.frames[-1], End)
        return self.frames[-1]

    @property
    def messages(self) -> list[Message]:
        return [frame for frame in self.frames if isinstance(frame, Message)]

    def text(self, name: str = "stdout") -> str:
        return "".join(m.content["text"] for m in self.messages if m.msg_type == "stream" and m.content["name"] == name)

    def kinds(self) -> list[str]:
        return [m.msg_type for m in self.messages]

    def only(self, kind: str) -> Message:
        [message] = [m for m in self.messages if m.msg_type == kind]
        return message

    @property
    def result(self) -> str:
        return str(self.only("execute_result").content["data"]["text/plain"])

    @property
    def error(self) -> dict[str, Any]:
        return self.only("error").content

    @property
    def traceback(self) -> str:
        return "\n".join(self.error["traceback"])

    def backs(self, name: str) -> list[ValueBack]:
        return [f for f in self.frames if isinstance(f, ValueBack) and f.name == name]

    def names_back(self) -> list[str]:
        return list(dict.fromkeys(f.name for f in self.frames if isinstance(f, ValueBack)))

    def pickle_of(self, name: str) -> bytes:
        pieces = self.backs(name)
        assert all(piece.status == "value" for piece in pieces), pieces
        assert [piece.more for piece in pieces] == [True] * (len(pieces) - 1) + [False]
        data = b"".join(piece.data for piece in pieces)
        assert pieces[-1].digest == xxhash.xxh3_128_hexdigest(data)
        return data


def value_of(name: str, data: bytes) -> Value:
    return Value(name, data, xxhash.xxh3_128_hexdigest(data))


class FarWorker:
    """One worker, seen from its keeper."""

    def __init__(self, worker: WorkerId, sock: socket.socket, status_fd: int, supervisor: int) -> None:
        self.id = worker
        self.records = Records(sock, FromWorker)
        self.status_fd = status_fd
        self.supervisor = supervisor
        self.hello: Hello | Failed | None = None
        self.pid = 0
        self.count = 0
        self._begun: set[RunId] = set()
        self._numbers: dict[RunId, int] = defaultdict(int)
        self._ahead: dict[RunId, deque[Frame]] = defaultdict(deque)
        self._joiners: dict[RunId, Joiner] = defaultdict(Joiner)

    def greet(self) -> "FarWorker":
        self.hello = self.records.next()
        self.pid = self.records.sender_pid
        return self

    def send(self, cell: Cell) -> RunId:
        return self.send_payload(encode_cell(cell))

    def send_payload(self, payload: bytes) -> RunId:
        run = new_run_id()
        self.records.sock.sendall(framing.encode(Work(run, payload)))
        return run

    def open_comms(self) -> RunId:
        """The session's comms run, as an executor asks for it."""
        run = new_run_id()
        self.records.sock.sendall(framing.encode(Work(run, b"", aside=True)))
        return run

    def tell(self, run: RunId, told: Told, tell: TellId | None = None) -> TellId:
        tell = tell or new_tell_id()
        self.records.sock.sendall(framing.encode(Tell(run, tell, encode_told(told))))
        return tell

    def frames(self, run: RunId, seconds: float = DEADLINE_S, *, began: bool = False) -> Iterator[Frame]:
        """The frames of a cell's run to its end."""
        if not began:
            self.begins(run, seconds)
        while True:
            frame = self.next(run, seconds)
            yield frame
            if isinstance(frame, End):
                return

    def next(self, run: RunId, seconds: float = DEADLINE_S) -> Frame:
        """The next frame of a run; those of other runs are kept until they are asked for."""
        while not self._ahead[run]:
            self._keep(self.records.next(seconds))
        return self._ahead[run].popleft()

    def up_to(self, run: RunId, wanted: Callable[[Frame], bool], seconds: float = DEADLINE_S) -> list[Frame]:
        """The next frames of a run, up to the first that is wanted."""
        found = [self.next(run, seconds)]
        while not wanted(found[-1]):
            found.append(self.next(run, seconds))
        return found

    def begins(self, run: RunId, seconds: float = DEADLINE_S) -> RunId:
        """Wait until a run has begun."""
        while run not in self._begun:
            self._keep(self.records.next(seconds))
        return run

    def _keep(self, output: Any) -> None:
        if isinstance(output, Began):
            self._begun.add(output.run)
            return
        assert isinstance(output, Output), output
        self._numbers[output.run] += 1
        assert output.n == self._numbers[output.run]
        assert len(memoryview(output.frame)) < MAX_FRAME_BYTES
        frame = self._joiners[output.run].take(decode_frame(output.frame))
        assert output.end == isinstance(frame, End)
        if not isinstance(frame, Piece):
            self._ahead[output.run].append(frame)

    def collect(self, run: RunId, seconds: float = DEADLINE_S, *, began: bool = False) -> Ran:
        return Ran(list(self.frames(run, seconds, began=began)))

    def run(self, source: str, **fields: Any) -> Ran:
        """A cell from start to end, numbered as a notebook would."""
        self.count += 1
        cell = Cell(source, PYTHON, **{"execution_count": self.count, **fields})
        return self.collect(self.send(cell))

    def exit_status(self) -> ExitStatus:
        data = b""
        while piece := os.read(self.status_fd, 4096):
            data += piece
        [body] = framing.RecordReader().receive_bytes(data)
        return msgspec.msgpack.decode(body, type=ExitStatus)

    def close(self) -> None:
        self.records.sock.close()
        with suppress(OSError):
            os.kill(self.supervisor, 9)
        with suppress(OSError):
            os.waitpid(self.supervisor, 0)
        os.close(self.status_fd)


def worker_ends() -> tuple[socket.socket, socket.socket, int, int]:
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    read_end, write_end = os.pipe()
    return ours, theirs, read_end, write_end


class Zygote:
    """A zygote process; forks workers."""

    def __init__(self, *, command: list[str] | None = None, **options: Any) -> None:
        # Workers become this process's children, as they become a keeper's.
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
        self.sock, theirs = socket.socketpair()
        fd = theirs.fileno()
        command = command or [sys.executable, "-m", "farcell_worker.zygote", "--fd"]
        self.process = subprocess.Popen([*command, str(fd)], pass_fds=[fd], **options)
        theirs.close()
        self.records = Records(self.sock, FromZygote)
        self.ready = self.records.next()
        assert isinstance(self.ready, ZygoteReady)

    def ask(self, fork: Fork, fds: list[int]) -> Forked | ForkRefused:
        body = framing.encode(fork)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        sent = self.sock.sendmsg([body[:1]], rights)
        self.sock.sendall(body[sent:])
        answer = self.records.next()
        assert isinstance(answer, Forked | ForkRefused)
        return answer

    def fork(self, cwd: str | None = None, env: dict[str, str] | None = None, **fields: Any) -> FarWorker:
        worker = new_worker_id()
        ours, theirs, read_end, write_end = worker_ends()
        try:
            answer = self.ask(Fork(worker, cwd or os.getcwd(), env or {}, **fields), [theirs.fileno(), write_end])
        finally:
            theirs.close()
            os.close(write_end)
        assert isinstance(answer, Forked), answer
        return FarWorker(worker, ours, read_end, answer.pid)

    def close(self) -> None:
        self.sock.close()
        self.process.wait(10)


def start_fresh(fork: Fork, **options: Any) -> FarWorker:
    """A worker without a zygote."""
    ours, theirs, read_end, write_end = worker_ends()
    ours.sendall(framing.encode(fork))
    fds = [theirs.fileno(), write_end]
    command = [sys.executable, "-m", "farcell_worker", "--worker-fd", str(fds[0]), "--status-fd", str(fds[1])]
    process = subprocess.Popen(command, pass_fds=fds, **options)
    theirs.close()
    os.close(write_end)
    return FarWorker(fork.worker, ours, read_end, process.pid)
