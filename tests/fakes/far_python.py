"""A far side without a road: a Python process with a namespace, and the worker's own exchange of values."""

import io
import struct
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import msgspec
from far_client import WORKER, Step, view

from farcell.follow import Batch, Changed
from farcell_protocol.frames import End, decode_frame
from farcell_protocol.messages.api import RunRequest

_PROGRAM = r"""
import contextlib, io, struct, sys, msgspec
def serve():
    from farcell_protocol.errors import FarcellError
    from farcell_protocol.frames import End, Message
    from farcell_protocol.messages.cells import decode_cell
    from farcell_worker.exchange import Exchange
    names = vars(sys.modules["__main__"])
    exchange, pipe, encode = Exchange(names), sys.stdout.buffer, msgspec.msgpack.encode
    while size := sys.stdin.buffer.read(4):
        cell = decode_cell(sys.stdin.buffer.read(struct.unpack("!I", size)[0]))
        frames, outcome, reason = [], "ok", None
        try:
            if cell.fetch:
                frames += exchange.fetch(cell.fetch)
            else:
                before = exchange.admit(cell)
                said = io.StringIO()
                try:
                    with contextlib.redirect_stdout(said):
                        exec(compile(cell.source, "far", "exec"), names)
                except Exception as err:
                    outcome = "error"
                    content = {"ename": type(err).__name__, "evalue": str(err), "traceback": [str(err)]}
                    frames.append(Message("error", content))
                if said.getvalue():
                    frames.insert(0, Message("stream", {"name": "stdout", "text": said.getvalue()}))
                frames += exchange.results(cell, before, finished=outcome == "ok")
        except FarcellError as err:
            outcome, reason = "refused", err.info()
        body = encode([encode(frame) for frame in [*frames, End(outcome, reason)]])
        pipe.write(struct.pack("!I", len(body)) + body)
        pipe.flush()
serve()
"""


class FarPython:
    """One session: a script for `ScriptedClient` that executes each cell in another process."""

    def __init__(self, session: str = "s-000000000001") -> None:
        self.session = session
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __call__(self, request: RunRequest) -> Iterable[Step]:
        yield Changed(view(request, session=self.session, worker=WORKER))
        frames = [decode_frame(body) for body in self._ask(request.payload)]
        end = frames[-1]
        assert isinstance(end, End)
        yield Batch(1, frames)
        yield Changed(view(request, "ended", self.session, end.outcome, reason=end.reason))

    def _ask(self, payload: bytes) -> list[bytes]:
        to, back = self._process.stdin, self._process.stdout
        assert isinstance(to, io.IOBase)
        assert isinstance(back, io.IOBase)
        to.write(struct.pack("!I", len(payload)) + payload)
        to.flush()
        (size,) = struct.unpack("!I", back.read(4))
        found: Any = msgspec.msgpack.decode(back.read(size))
        return list(found)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
