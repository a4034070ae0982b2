"""Nouns that stores are tried with."""

from dataclasses import dataclass, replace

import pytest

from farcell_executor.model import (
    Device,
    Node,
    NodeState,
    Run,
    RunState,
    Session,
    SessionState,
    Token,
    Worker,
    WorkerState,
)
from farcell_protocol.errors import ErrorInfo
from farcell_protocol.ids import DeviceId, NodeId, RunId, SessionId, TokenId, WorkerId
from farcell_protocol.messages.api import Interpreter, RunRequest


@dataclass(frozen=True)
class Nouns:
    """One of each, with every field set; `run` and `session` make more of theirs."""

    worker: Worker
    node: Node
    token: Token

    def run(self, name: str = "r-1", *, created: float = 1.0, owner: str = "ada", state: str = "running") -> Run:
        request = RunRequest(
            run=RunId(name),
            payload=b"\x00\xffcode " + name.encode(),
            python=Interpreter("/usr/bin/python3", "3.11.7"),
            gpu="H100:2",
            notebook="a b.ipynb",
            cell_id="c1",
            timeout_s=60.0,
            title="x = 'é'",
            cwd="/home/ada",
        )
        reason = ErrorInfo("timed-out", "over 60 s", {"timeout_s": 60.0})
        return Run(
            id=RunId(name),
            owner=owner,
            session=SessionId("s-1"),
            request=request,
            state=RunState(state),
            created=created,
            why="behind 2 runs",
            worker=WorkerId("w-1"),
            started=created + 1,
            stop_reason=reason,
            force_at=created + 2,
            grace_s=0.5,
        )

    def session(self, name: str = "s-1", *, created: float = 1.0, owner: str = "ada", state: str = "ready") -> Session:
        return Session(
            id=SessionId(name),
            owner=owner,
            key=f'["named","{name}"]',
            name=name,
            notebook="a b.ipynb",
            gpu="H100:2",
            python="3.11.7",
            once=True,
            scaledown_window_s=300.0,
            state=SessionState(state),
            created=created,
            worker=WorkerId("w-1"),
            idle_since=7.5,
            executable="/usr/bin/python3",
            cwd="/home/ada",
        )


@pytest.fixture
def nouns() -> Nouns:
    devices = (DeviceId("GPU-0"), DeviceId("GPU-1"))
    worker = Worker(
        id=WorkerId("w-1"),
        session=SessionId("s-1"),
        node=NodeId("n-1"),
        devices=devices,
        state=WorkerState.READY,
        created=1.0,
        pid=4711,
        start_ticks=2**40,
        pid_namespace=4026531836,
        isolation="namespaces",
        started_by="fork",
        fallback="",
        reason=ErrorInfo("worker-exited", "left", {"exit_code": 3}),
    )
    device = Device(devices[0], NodeId("n-1"), "H100", 0, memory_bytes=80 * 2**30, simulated=True, trouble="hot")
    node = Node(
        id=NodeId("n-1"),
        boot_id="b",
        keeper="1:2.0",
        name="gpu-1",
        embedded=True,
        python="3.11.7",
        state=NodeState.CONNECTED,
        last_seen=3.0,
        devices=(device, replace(device, id=devices[1], index=1, memory_bytes=None)),
        notes=("no namespaces",),
    )
    token = Token(TokenId("t-1"), b"\x00" * 32, "ada", "user", "laptop", created=1.0, expires=9.0, node=NodeId("n-1"))
    return Nouns(worker, node, token)
