"""A small zygote and worker: it speaks `messages/work.py` and acts out what a payload says, step by step.

Run as `-m farcell_worker.zygote --fd N` or `-m farcell_worker --worker-fd N --status-fd M`, as the keeper does
with an interpreter. A payload is JSON: a list of steps, each a list of a name and arguments (see `Main`). The
environment variable SMALL_ZYGOTE says how the zygote misbehaves.
"""

import array
import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from farcell_protocol import framing
from farcell_protocol.errors import ErrorInfo
from farcell_protocol.frames import End, Frame, Message
from farcell_protocol.ids import RunId
from farcell_protocol.messages.work import (
    NUDGE,
    Began,
    ExitStatus,
    Failed,
    Fork,
    Forked,
    ForkRefused,
    Hello,
    Output,
    Tell,
    ToWorker,
    ZygoteReady,
)


class Main:
    """The main process: executes each `Work` in order and ends it with an `End` of outcome "ok"."""

    def __init__(self, fork: Fork, sock: socket.socket, started_by: str) -> None:
        self.fork, self.sock, self.started_by = fork, sock, started_by
        self.run = RunId("")
        self.n = 0
        self.early = False

    def serve(self) -> None:
        signal.signal(signal.SIGINT, self.too_early)
        signal.signal(NUDGE, lambda *_: None)
        self.sock.sendall(framing.encode(self.hello()))
        decoder: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
        for body in records(self.sock):
            work = decoder.decode(body)
            if isinstance(work, Tell):
                self.told(work)
                continue
            if work.aside:
                continue
            self.run, self.n, self.early = work.run, 0, False
            self.sock.sendall(framing.encode(Began(work.run)))
            for name, *arguments in json.loads(work.payload):
                getattr(self, name)(*arguments)
            self.out(End("ok"), end=True)

    def told(self, tell: Tell) -> None:
        """The first thing a run aside is told is its one frame."""
        self.run, self.n = tell.run, 0
        self.say(f"told {tell.payload.decode()}")

    def hello(self) -> Hello:
        namespace = os.stat("/proc/self/ns/pid").st_ino
        return Hello(self.fork.worker, os.getpid(), namespace, "3.0.0", "none", self.started_by)  # type: ignore[arg-type]

    def out(self, frame: Frame, *, end: bool = False) -> None:
        self.n += 1
        raw = msgspec.Raw(msgspec.msgpack.encode(frame))
        self.sock.sendall(framing.encode(Output(self.run, self.n, raw, end)))

    def say(self, text: str) -> None:
        self.out(Message("stream", {"name": "stdout", "text": text}))

    def lines(self, count: int, size: int, wait_s: float = 0.0) -> None:
        for n in range(count):
            self.say(f"{n}".ljust(size, "."))
            time.sleep(wait_s)

    def tell(self, what: str) -> None:
        found = {"cwd": os.getcwd(), "env": os.environ.get("SAID", ""), "pid": str(os.getpid())}
        self.say(found[what])

    def time_stamps(self, count: int, pause_s: float) -> None:
        for _ in range(count):
            time.sleep(pause_s)
            self.say(str(time.monotonic_ns()))

    def leave(self, code: int) -> None:
        os._exit(code)

    def signal_self(self, number: int) -> None:
        os.kill(os.getpid(), number)
        signal.pause()

    def kill_supervisor(self) -> None:
        os.kill(os.getppid(), signal.SIGKILL)
        signal.pause()

    def ignore_signals(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def too_early(self, *_: object) -> None:
        self.early = True

    def until_interrupted(self) -> None:
        """Wait with the signal blocked: wherever it falls it is seen, before as `early` or else by `sigwait`."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        self.say("waiting")
        if not self.early:
            signal.sigwait({signal.SIGINT})
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        self.say("interrupted")

    def wait(self) -> None:
        self.say("waiting")
        while True:
            signal.pause()

    def eat(self, mebibytes: int) -> None:
        hoard = [b"x" * 2**20 for _ in range(mebibytes)]
        self.say(f"ate {len(hoard)}")

    def grandchild(self) -> None:
        """A child of ours that keeps the socket open and outlives us."""
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                signal.pause()
        self.say(str(pid))

    def children(self) -> None:
        """Two children that wait: one in our group, one in a session of its own."""
        self.group = subprocess.Popen(["sleep", "60"])
        self.session = subprocess.Popen(["sleep", "60"], start_new_session=True)

    def reap(self) -> None:
        """What became of the children after an interrupt."""
        ended_by = -self.group.wait()
        self.say(f"group: {ended_by} session: {'alive' if self.session.poll() is None else 'ended'}")
        self.session.kill()
        self.session.wait()

    def send_bytes(self, text: str) -> None:
        self.sock.sendall(base64.b64decode(text))
        self.wait()

    def skip_number(self) -> None:
        self.n += 1

    def close_socket(self) -> None:
        self.sock.close()
        while True:
            signal.pause()


def records(sock: socket.socket) -> Iterator[bytes]:
    reader = framing.RecordReader()
    while data := sock.recv(65536):
        yield from reader.receive_bytes(data)


def supervise(fork: Fork, worker_fd: int, status_fd: int, started_by: str) -> None:
    """Fork the main process, wait for it, end its children, say how it ended."""
    main = os.fork()
    if main == 0:
        os.close(status_fd)
        os.setsid()
        os.environ.clear()
        os.environ.update(fork.env)
        os.chdir(fork.cwd)
        Main(fork, socket.socket(fileno=worker_fd), started_by).serve()
        return
    os.close(worker_fd)
    _pid, status = os.waitpid(main, 0)
    os.write(status_fd, framing.encode(ExitStatus(status)))


def in_child(body: Callable[[], object]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            body()
        finally:
            os._exit(0)
    return pid


def make_worker(fork: Fork, fds: list[int], sock: socket.socket) -> int:
    """A supervisor whose parent has ended, so that it is the keeper's."""
    reading, writing = os.pipe()

    def supervisor() -> None:
        sock.close()
        os.close(reading)
        os.close(writing)
        supervise(fork, fds[0], fds[1], "fork")

    def intermediate() -> None:
        for file in fork.cgroup_procs:
            with open(file, "w") as procs:
                procs.write("0")
        os.write(writing, str(in_child(supervisor)).encode())

    os.waitpid(in_child(intermediate), 0)
    pid = int(os.read(reading, 32))
    os.close(reading)
    os.close(writing)
    return pid


def zygote(fd: int) -> None:
    manner = os.environ.get("SMALL_ZYGOTE", "")
    sock = socket.socket(fileno=fd)
    os.set_inheritable(fd, False)
    if manner == "dies":
        sys.exit("cannot warm up: no such kernel")
    if manner == "garbage":
        sock.sendall(b"\xff" * 64)
    sock.sendall(framing.encode(ZygoteReady(os.getpid(), "3.0.0")))
    reader, fds = framing.RecordReader(), array.array("i")
    while True:
        data, ancillary, _flags, _address = sock.recvmsg(65536, 4096)
        if not data:
            return
        for _level, _kind, rights in ancillary:
            fds.frombytes(rights)
        for body in reader.receive_bytes(data):
            answer_fork(sock, manner, msgspec.msgpack.decode(body, type=Fork), [fds.pop(0), fds.pop(0)])


def answer_fork(sock: socket.socket, manner: str, fork: Fork, fds: list[int]) -> None:
    answer: Any
    if manner == "dies forking":
        os.kill(os.getpid(), signal.SIGKILL)
    if manner == "refuses":
        answer = ForkRefused(fork.worker, "it has 2 threads")
    else:
        pid = make_worker(fork, fds, sock)
        if manner == "dies after forking":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = Forked(fork.worker, pid)
    sock.sendall(framing.encode(answer))
    for fd in fds:
        os.close(fd)


def fresh(worker_fd: int, status_fd: int) -> None:
    sock = socket.socket(fileno=os.dup(worker_fd))
    body = next(records(sock), None)
    if body is None:
        return
    fork = msgspec.msgpack.decode(body, type=Fork)
    if fork.env.get("SMALL_WORKER") == "dies":
        sys.exit("no module named torch")
    if fork.env.get("SMALL_WORKER") == "fails":
        sock.sendall(framing.encode(Failed(fork.worker, ErrorInfo("worker-not-started", "no kernel here"))))
        sys.exit(1)
    sock.close()
    supervise(fork, worker_fd, status_fd, "fresh")


def main() -> None:
    numbers = dict(zip(sys.argv[3::2], map(int, sys.argv[4::2]), strict=True))
    if sys.argv[2] == "farcell_worker.zygote":
        zygote(numbers["--fd"])
    else:
        fresh(numbers["--worker-fd"], numbers["--status-fd"])


if __name__ == "__main__":
    main()
