"""One ordered queue of everything a run says, and the only place that writes to the keeper's socket.

Text of `sys.stdout` and `sys.stderr` is appended and cut into messages later, so a printing loop costs
little; a display or an error takes its place in the same queue. What is soon overwritten (a progress bar, an animation)
is sent about ten times a second, see `coalescing`. Frames are numbered here.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

import msgspec

from farcell_protocol import framing
from farcell_protocol.frames import MAX_FRAME_BYTES, End, Frame, Message
from farcell_protocol.ids import RunId
from farcell_protocol.messages.work import Began, Output
from farcell_protocol.pieces import cut
from farcell_worker.interrupts import Interrupts
from farcell_worker.plain import cut_text, fitting
from farcell_worker.routes import (
    Item,
    Of,
    OpenRun,
    Routes,
    StreamName,
    answered,
    as_answer,
    frame_of,
)
from farcell_worker.waiting import FLUSH_CHARS, Waiting

FLUSH_AFTER_S = 0.05
MESSAGE_CHARS = 200 * 2**10
"""Text of one stream message; at most 4 bytes a character keep it under `MAX_FRAME_BYTES`."""


class _Alone:
    """Within, nobody else sends, and no interrupt comes between."""

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts
        self._lock = threading.Lock()
        self.owner = 0

    def __enter__(self) -> None:
        owner = threading.get_ident()
        self._interrupts.hold()
        self._lock.acquire()
        self.owner = owner

    def __exit__(self, *_error: object) -> None:
        self.owner = 0
        self._lock.release()
        self._interrupts.release()


class Outbox:
    """Promises: frames of a run are numbered from 1 in the order they were made; a frame is written whole
    or not at all, whatever signals arrive; nothing of a cell's run follows its `End`.

    Any thread may call `write` and `post`. What is said while a cell is open is the cell's, but for what is said
    `answering` a message: that goes to the comms. So does all that is said between cells; as long as no comms are open,
    it waits for the next cell.
    """

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts
        self._waiting = Waiting()
        self._open = Routes()
        self._answers = False
        self._socket: socket.socket | None = None
        self._alone = _Alone(interrupts)
        self._flush_due = False
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._buffer = bytearray()

    def connect(self, sock: socket.socket) -> None:
        """From here frames go to `sock`, a blocking stream socket; a daemon thread flushes text that waits."""
        self._waiting.clear()
        self._socket = sock
        threading.Thread(target=self._flush_in_time, name="farcell-flush", daemon=True).start()

    def disconnect(self) -> None:
        """For a process that a user's code forked: it has copies of what its parent will send."""
        if self._socket is not None:
            self._socket.close()
        self._alone, self._socket = _Alone(self._interrupts), None
        self._waiting.clear()

    def begin(self, run: RunId) -> None:
        """Frames now belong to `run`, and the keeper is told that it has begun; called with no cell's run open."""
        with self._alone:
            self._send_all()
            self._open.cell = OpenRun(run)
            self._waiting.begin()
            self._send(Began(run))
            if self._waiting.dropped:
                note = f"farcell: {self._waiting.dropped:,} characters written between the runs were dropped here\n"
                self._waiting.put_back([("stderr", note, None)])
                self._waiting.dropped = 0
            self._send_all()

    def open_comms(self, run: RunId) -> None:
        """From here, what is said outside of cells is of `run`; the same one again changes nothing."""
        with self._alone:
            self._open.open_comms(run)
            self._send_all()

    def is_open(self, run: RunId) -> bool:
        """Whether frames of this run can still be made."""
        return self._open.find(run) is not None

    @property
    def cell_run(self) -> RunId | None:
        """The run of the cell that is open."""
        cell = self._open.cell
        return None if cell is None else cell.run

    @property
    def is_answering(self) -> bool:
        """Whether this is code that was called to answer a message."""
        return self._answers and answered.get() is not None

    @contextmanager
    def answering(self, msg_id: str) -> Iterator[None]:
        """What is said within, and in tasks made within, answers this message."""
        self._answers = True
        token = answered.set(msg_id)
        try:
            yield
        finally:
            answered.reset(token)
            self.flush()

    def end(self, end: End) -> None:
        """Everything so far, then this `End`; the run is closed."""
        self.post(end)

    def write(self, stream: StreamName, text: str) -> None:
        """Add text to a stream. Not sent at once: within 50 ms, or when about 64 Ki characters wait."""
        waiting = self._waiting
        waiting.items.append((stream, text, answered.get() if self._answers else None))
        waiting.chars += len(text)
        if not self._flush_due:  # as `_flush_soon`, without a call for each line
            self._flush_due = True
            self._wake.put(None)
        if waiting.chars >= FLUSH_CHARS:
            self.flush_in_turn()

    def post(self, frame: Frame) -> None:
        """Send a frame, after all text written before it; one that soon may be replaced waits for its turn."""
        self._add(as_answer(frame) if self._answers else frame)

    def post_in(self, run: RunId, frame: Frame) -> None:
        """Send a frame of this very run; dropped if the run has ended."""
        self._add(Of(run, frame))

    def post_numbered(self, frame: Frame) -> int:
        """Send a frame of the cell, after all before it, and return its number; 0 if no cell is open."""
        with self._alone:
            self._send_all()
            cell = self._open.cell
            if cell is None:
                return 0
            self._send_frame(cell, frame)
            return cell.n

    def _add(self, item: Item) -> None:
        self._waiting.add(item)
        self.flush_in_turn()

    def flush(self) -> None:
        """Send what waits. Called again from within (by a finaliser that prints) it leaves it to the outer call."""
        if not self._waiting.items or self._alone.owner == threading.get_ident():
            return
        with self._alone:
            self._send_all()

    def flush_in_turn(self) -> None:
        """As `flush`, but a line that goes back to its beginning, an update or an animation stays for its turn if there
        were many of that kind just now: it is likely to be overwritten before."""
        if not self._waiting.items or self._alone.owner == threading.get_ident():
            return
        with self._alone:
            if self._waiting.turn_in_s():
                self._flush_soon()
            else:
                self._send_all()

    def _flush_soon(self) -> None:
        if not self._flush_due:
            self._flush_due = True
            self._wake.put(None)

    def _flush_in_time(self) -> None:
        while True:
            self._wake.get()
            time.sleep(FLUSH_AFTER_S)
            while left := self._flush_or_wait():
                time.sleep(left)

    def _flush_or_wait(self) -> float:
        """How many seconds to wait still, if not everything was sent."""
        with self._alone:
            left = self._waiting.turn_in_s()
            if not left:
                self._flush_due = False
                self._send_all()
            return left

    def _send_all(self) -> None:
        if self._socket is None or self._open.default is None:
            self._waiting.drop_what_is_too_much()
            return
        # Only what is there now: a loop that prints has more at once, for ever.
        taken = self._waiting.take()
        try:
            # An `End` among it closes the cell.
            while taken and self._open.default is not None:
                self._send_item(taken.popleft())
        finally:
            self._waiting.put_back(taken)

    def _send_item(self, item: Item) -> None:
        target = self._open.of(item)
        if target is None:
            return
        self._waiting.sending(item)
        if not isinstance(item, tuple):
            self._send_frame(target, frame_of(item))
            return
        stream, whole, parent = item
        for text in cut_text(whole, MESSAGE_CHARS):
            self._send_frame(target, Message("stream", {"name": stream, "text": text}, parent=parent or ""))

    def _send_frame(self, target: OpenRun, frame: Frame) -> None:
        body = fitting(frame)
        ends = isinstance(frame, End)
        if ends:
            self._open.cell = None
        if len(body) > MAX_FRAME_BYTES:
            for piece in cut(body):
                self._send_numbered(target, framing.pack(piece), False)
        else:
            self._send_numbered(target, body, ends)

    def _send_numbered(self, target: OpenRun, body: bytes, ends: bool) -> None:
        target.n += 1
        self._send(Output(target.run, target.n, msgspec.Raw(body), ends))

    def _send(self, message: Output | Began) -> None:
        assert self._socket is not None
        self._buffer.clear()
        framing.encode_into(message, self._buffer)
        try:
            self._socket.sendall(self._buffer)
        except OSError:
            # Nobody reads any more: the keeper is gone, and this worker with it.
            os._exit(1)
