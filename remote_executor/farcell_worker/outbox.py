"""One ordered queue of everything a run says, and the only place that writes to the keeper's socket.

Text of `sys.stdout` and `sys.stderr` is appended and cut into messages later, so a printing loop costs
little; a display or an error takes its place in the same queue. Frames are numbered here, and here it is decided
which of two runs they are of: the cell that is open, or the session's comms.
"""

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Literal

import msgspec

from farcell_protocol import framing
from farcell_protocol.frames import MAX_FRAME_BYTES, End, Frame, Message
from farcell_protocol.ids import RunId
from farcell_protocol.messages.work import Began, Output
from farcell_worker.interrupts import Interrupts
from farcell_worker.plain import COMM_KINDS, cut_text, fitting

StreamName = Literal["stdout", "stderr"]

FLUSH_CHARS = 64 * 2**10
FLUSH_AFTER_S = 0.05
MESSAGE_CHARS = 200 * 2**10
"""Text of one stream message; at most 4 bytes a character keep it under `MAX_FRAME_BYTES`."""

HELD_CHARS = 1 * 2**20
"""How much text written between two runs (by a thread that goes on) is kept for the next one."""

_CHARS_OF_A_FRAME = 1000
"""What a frame counts for among held text."""

_answering: ContextVar[str | None] = ContextVar("farcell_answering", default=None)
"""The message that the code which runs now was called to answer; null outside of handlers."""


@dataclass
class _Open:
    """A run that takes frames, and the number of its last one."""

    run: RunId
    n: int = 0


@dataclass(frozen=True)
class _Aside:
    """A frame of a handler's."""

    frame: Frame


@dataclass(frozen=True)
class _Of:
    """A frame of this run, and of no other if it has ended."""

    run: RunId
    frame: Frame


_Item = tuple[StreamName, str, str | None] | Frame | _Aside | _Of


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
        self._queue: deque[_Item] = deque()
        self._chars = 0
        self._dropped = 0
        self._cell: _Open | None = None
        self._comms: _Open | None = None
        self._answers = False
        self._socket: socket.socket | None = None
        self._alone = _Alone(interrupts)
        self._flush_due = False
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._buffer = bytearray()

    def connect(self, sock: socket.socket) -> None:
        """From here frames go to `sock`, a blocking stream socket; a daemon thread flushes text that waits."""
        self._queue.clear()
        self._chars = 0
        self._socket = sock
        threading.Thread(target=self._flush_in_time, name="farcell-flush", daemon=True).start()

    def disconnect(self) -> None:
        """For a process that a user's code forked: it has copies of what its parent will send."""
        if self._socket is not None:
            self._socket.close()
        self._alone, self._socket = _Alone(self._interrupts), None
        self._queue.clear()

    def begin(self, run: RunId) -> None:
        """Frames now belong to `run`, and the keeper is told that it has begun; called with no cell's run open."""
        with self._alone:
            self._send_all()
            self._cell = _Open(run)
            self._send(Began(run))
            if self._dropped:
                note = f"farcell: {self._dropped:,} characters written between the runs were dropped here\n"
                self._queue.appendleft(("stderr", note, None))
                self._dropped = 0
            self._send_all()

    def open_comms(self, run: RunId) -> None:
        """From here, what is said outside of cells is of `run`; the same one again changes nothing."""
        with self._alone:
            if self._comms is None or self._comms.run != run:
                self._comms = _Open(run)
            self._send_all()

    def is_open(self, run: RunId) -> bool:
        """Whether frames of this run can still be made."""
        return any(known is not None and known.run == run for known in (self._cell, self._comms))

    @property
    def cell_run(self) -> RunId | None:
        """The run of the cell that is open."""
        cell = self._cell
        return None if cell is None else cell.run

    @property
    def is_answering(self) -> bool:
        """Whether this is code that was called to answer a message."""
        return self._answers and _answering.get() is not None

    @contextmanager
    def answering(self, msg_id: str) -> Iterator[None]:
        """What is said within, and in tasks made within, answers this message."""
        self._answers = True
        token = _answering.set(msg_id)
        try:
            yield
        finally:
            _answering.reset(token)
            self.flush()

    def end(self, end: End) -> None:
        """Everything so far, then this `End`; the run is closed."""
        self.post(end)

    def write(self, stream: StreamName, text: str) -> None:
        """Add text to a stream. Not sent at once: within 50 ms, or when about 64 Ki characters wait."""
        self._queue.append((stream, text, _answering.get() if self._answers else None))
        self._chars += len(text)
        if not self._flush_due:
            self._flush_due = True
            self._wake.put(None)
        if self._chars >= FLUSH_CHARS:
            self.flush()

    def post(self, frame: Frame) -> None:
        """Send a frame, after all text written before it."""
        self._add(_answer(frame) if self._answers else frame)

    def post_in(self, run: RunId, frame: Frame) -> None:
        """Send a frame of this very run; dropped if the run has ended."""
        self._add(_Of(run, frame))

    def post_numbered(self, frame: Frame) -> int:
        """Send a frame of the cell, after all before it, and return its number; 0 if no cell is open."""
        with self._alone:
            self._send_all()
            if self._cell is None:
                return 0
            self._send_frame(self._cell, frame)
            return self._cell.n

    def _add(self, item: _Item) -> None:
        self._queue.append(item)
        self._chars += _size_of(item)
        self.flush()

    def flush(self) -> None:
        """Send what waits. Called again from within (by a finaliser that prints) it leaves it to the outer call."""
        if not self._queue or self._alone.owner == threading.get_ident():
            return
        with self._alone:
            self._send_all()

    def _flush_in_time(self) -> None:
        while True:
            self._wake.get()
            time.sleep(FLUSH_AFTER_S)
            self._flush_due = False
            self.flush()

    def _send_all(self) -> None:
        if self._socket is not None and (self._cell or self._comms):
            self._chars = 0
        while self._queue:
            target = self._cell or self._comms
            if target is None or self._socket is None:
                self._drop_what_is_too_much()
                return
            self._send_item(self._queue.popleft(), target)

    def _drop_what_is_too_much(self) -> None:
        """The oldest goes first. What comms say is kept, or the two sides of a widget would never agree again."""
        if self._chars <= HELD_CHARS:
            return
        kept: list[_Item] = []
        # To half, as what is kept is looked at each time.
        while self._chars > HELD_CHARS // 2 and self._queue:
            item = self._queue.popleft()
            size = _size_of(item)
            if not size:
                kept.append(item)
            self._chars -= size
            self._dropped += size
        self._queue.extendleft(reversed(kept))

    def _send_item(self, item: _Item, target: _Open) -> None:
        if isinstance(item, tuple):
            self._send_text(item, target if item[2] is None else self._comms or target)
        elif isinstance(item, _Aside):
            self._send_frame(self._comms or target, item.frame)
        elif isinstance(item, _Of):
            for known in (self._cell, self._comms):
                if known is not None and known.run == item.run:
                    self._send_frame(known, item.frame)
        else:
            self._send_frame(target, item)

    def _send_text(self, first: tuple[StreamName, str, str | None], target: _Open) -> None:
        """Send `first` and the text that follows it in the queue, as long as it is of the same stream."""
        stream, text, answered = first
        pieces, queue = [text], self._queue
        # Others only append, so what is looked at here is still first when it is taken.
        while queue and isinstance(item := queue[0], tuple) and item[0] == stream and item[2] == answered:
            pieces.append(item[1])
            queue.popleft()
        for text in cut_text("".join(pieces), MESSAGE_CHARS):
            self._send_frame(target, Message("stream", {"name": stream, "text": text}, parent=answered or ""))

    def _send_frame(self, target: _Open, frame: Frame) -> None:
        body = fitting(frame, MAX_FRAME_BYTES)
        target.n += 1
        ends = isinstance(frame, End)
        if ends:
            self._cell = None
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


def _answer(frame: Frame) -> Frame | _Aside:
    answered = _answering.get()
    if answered is None:
        return frame
    return _Aside(msgspec.structs.replace(frame, parent=answered) if isinstance(frame, Message) else frame)


def _size_of(item: _Item) -> int:
    """What an item counts for among what waits; nothing for what comms say, which cannot be dropped."""
    if isinstance(item, tuple):
        return len(item[1])
    frame = item.frame if isinstance(item, _Aside | _Of) else item
    return 0 if isinstance(frame, Message) and frame.msg_type in COMM_KINDS else _CHARS_OF_A_FRAME
