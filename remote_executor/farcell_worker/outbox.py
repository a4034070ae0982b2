"""One ordered queue of everything a run says, and the only place that writes to the keeper's socket.

Text of `sys.stdout` and `sys.stderr` is appended and cut into messages later, so a printing loop costs
little; a display or an error takes its place in the same queue. Frames are numbered here.
"""

import os
import socket
import threading
import time
from collections import deque
from queue import SimpleQueue
from typing import Literal

import msgspec

from farcell_protocol import framing
from farcell_protocol.frames import MAX_FRAME_BYTES, End, Frame, Message
from farcell_protocol.ids import RunId
from farcell_protocol.messages.work import Began, Output
from farcell_worker.interrupts import Interrupts
from farcell_worker.plain import cut_text, fitting

StreamName = Literal["stdout", "stderr"]

FLUSH_CHARS = 64 * 2**10
FLUSH_AFTER_S = 0.05
MESSAGE_CHARS = 200 * 2**10
"""Text of one stream message; at most 4 bytes a character keep it under `MAX_FRAME_BYTES`."""

HELD_CHARS = 1 * 2**20
"""How much text written between two runs (by a thread that goes on) is kept for the next one."""

_CHARS_OF_A_FRAME = 1000
"""What a frame counts for among held text."""

_Item = tuple[StreamName, str] | Frame | Began


class Outbox:
    """Promises: frames of a run are numbered from 1 in the order they were made; a frame is written whole
    or not at all, whatever signals arrive; nothing of a run follows its `End`.

    Any thread may call `write` and `post`. What is written between runs goes with the next run.
    """

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts
        self._queue: deque[_Item] = deque()
        self._chars = 0
        self._dropped = 0
        self._run: RunId | None = None
        self._n = 0
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._owner = 0
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
        self._lock, self._owner, self._socket = threading.Lock(), 0, None
        self._queue.clear()

    def begin(self, run: RunId) -> None:
        """Frames now belong to `run`, and the keeper is told that it has begun; called with no run open."""
        self._run, self._n = run, 0
        if self._dropped:
            note = f"farcell: {self._dropped:,} characters written between the runs were dropped here\n"
            self._queue.appendleft(("stderr", note))
            self._dropped = 0
        self._queue.appendleft(Began(run))
        self.flush()

    def end(self, end: End) -> None:
        """Everything so far, then this `End`; the run is closed."""
        self.post(end)

    def write(self, stream: StreamName, text: str) -> None:
        """Add text to a stream. Not sent at once: within 50 ms, or when about 64 Ki characters wait."""
        self._queue.append((stream, text))
        self._chars += len(text)
        if not self._flush_due:
            self._flush_due = True
            self._wake.put(None)
        if self._chars >= FLUSH_CHARS:
            self.flush()

    def post(self, frame: Frame) -> None:
        """Send a frame, after all text written before it."""
        self._queue.append(frame)
        self._chars += _CHARS_OF_A_FRAME
        self.flush()

    def flush(self) -> None:
        """Send what waits. Called again from within (by a finaliser that prints) it leaves it to the outer call."""
        if not self._queue or self._owner == threading.get_ident():
            return
        self._interrupts.hold()
        try:
            with self._lock:
                self._owner = threading.get_ident()
                try:
                    self._send_all()
                finally:
                    self._owner = 0
        finally:
            self._interrupts.release()

    def _flush_in_time(self) -> None:
        while True:
            self._wake.get()
            time.sleep(FLUSH_AFTER_S)
            self._flush_due = False
            self.flush()

    def _send_all(self) -> None:
        if self._run is None or self._socket is None:
            self._drop_what_is_too_much()
            return
        self._chars = 0
        while self._queue and self._run is not None:
            item = self._queue.popleft()
            if isinstance(item, tuple):
                self._send_text(item[0], item[1])
            elif isinstance(item, Began):
                self._send(item)
            else:
                self._send_frame(item)

    def _drop_what_is_too_much(self) -> None:
        while self._chars > HELD_CHARS and self._queue:
            item = self._queue.popleft()
            size = len(item[1]) if isinstance(item, tuple) else _CHARS_OF_A_FRAME
            self._chars -= size
            self._dropped += size

    def _send_text(self, stream: StreamName, first: str) -> None:
        """Send `first` and the text that follows it in the queue, as long as it is of the same stream."""
        pieces, queue = [first], self._queue
        # Others only append, so what is looked at here is still first when it is taken.
        while queue and isinstance(item := queue[0], tuple) and item[0] == stream:
            pieces.append(item[1])
            queue.popleft()
        for text in cut_text("".join(pieces), MESSAGE_CHARS):
            self._send_frame(Message("stream", {"name": stream, "text": text}))

    def _send_frame(self, frame: Frame) -> None:
        body = fitting(frame, MAX_FRAME_BYTES)
        self._n += 1
        ends = isinstance(frame, End)
        assert self._run is not None
        output = Output(self._run, self._n, msgspec.Raw(body), ends)
        if ends:
            self._run = None
        self._send(output)

    def _send(self, message: Output | Began) -> None:
        assert self._socket is not None
        self._buffer.clear()
        framing.encode_into(message, self._buffer)
        try:
            self._socket.sendall(self._buffer)
        except OSError:
            # Nobody reads any more: the keeper is gone, and this worker with it.
            os._exit(1)
