"""Both ends of a conversation with a running worker: cells that open comms or ask, and what a front end answers."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from textwrap import indent
from typing import Any

from farcell_protocol.frames import Frame, Message
from farcell_protocol.ids import RunId
from farcell_protocol.messages.cells import Cell, CommMessage, InputReply
from farcell_protocol.messages.work import NUDGE
from tests.unit.worker.standin import PYTHON, FarWorker, Ran

OPEN = """
from comm import create_comm
def heard(msg): print('heard', msg['content']['data'])
c = create_comm(target_name='t', data={'a': 1}, comm_id='c1')
c.on_msg(heard)
"""
"""Opens a comm whose handler prints what it hears."""


def handling(body: str, before: str = "") -> str:
    """A cell that opens a comm whose handler does this, with `data` what it was told."""
    lines = "global last\ndata = msg['content']['data']\n" + body
    return f"{OPEN}{before}\ndef heard(msg):\n{indent(lines, '  ')}\nc.on_msg(heard)"


def says(kind: str, data: Any = None, *, comm: str = "c1", msg_id: str = "", **fields: Any) -> CommMessage:
    """A message of a front end's."""
    content = {"comm_id": comm, "data": {} if data is None else data, **fields.pop("content", {})}
    return CommMessage(kind, content, msg_id=msg_id, **fields)  # type: ignore[arg-type]


def is_a(kind: str) -> Callable[[Frame], bool]:
    """Whether a frame is a message of this kind."""
    return lambda frame: isinstance(frame, Message) and frame.msg_type == kind


def text_has(wanted: str) -> Callable[[Frame], bool]:
    """Whether the frames seen so far say so; text may be cut anywhere."""
    seen = Ran()

    def has(frame: Frame) -> bool:
        seen.frames.append(frame)
        return wanted in seen.text() + seen.text("stderr")

    return has


def busy(worker: FarWorker, source: str = "import time\nwhile True: time.sleep(0.01)", **fields: Any) -> RunId:
    """A cell that has said "go" and executes this, which does not end soon."""
    run = worker.begins(worker.send(Cell("print('go', flush=True)\n" + source, PYTHON, **fields)))
    worker.up_to(run, text_has("go\n"))
    return run


def asking(worker: FarWorker, source: str) -> tuple[RunId, list[Frame]]:
    """A cell that runs up to its first question, and what it said."""
    run = worker.begins(worker.send(Cell(source, PYTHON, allow_stdin=True)))
    return run, worker.up_to(run, is_a("input_request"))


def answer_all(worker: FarWorker, source: str, *answers: str) -> Ran:
    """Run a cell and answer what it asks, in turn."""
    run, left = worker.send(Cell(source, PYTHON, allow_stdin=True)), list(answers)
    seen: list[Frame] = []
    for frame in worker.frames(run):
        seen.append(frame)
        if is_a("input_request")(frame):
            worker.tell(run, InputReply(len(seen), left.pop(0)))
    assert not left
    return Ran(seen)


@contextmanager
def pressed(worker: FarWorker) -> Iterator[None]:
    """What the keeper does for an interrupt: SIGINT for the group, and then a nudge."""
    os.killpg(worker.pid, signal.SIGINT)
    nudge = threading.Timer(0.02, os.kill, [worker.pid, NUDGE])
    nudge.start()
    yield
    nudge.join()
