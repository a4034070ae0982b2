"""What the keeper says to a worker: read by whoever has time, taken in strictly in order, obeyed once.

While no cell runs, that is the loop; in `input()`, it is the cell itself; and once the session has comms, a thread that
does nothing else, so that what a front end says comes through while a cell computes.
"""

import os
import select
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from farcell_protocol import framing
from farcell_protocol.frames import Heard
from farcell_protocol.ids import RunId, TellId
from farcell_protocol.messages.cells import Told, decode_told
from farcell_protocol.messages.work import Tell, ToWorker, Work
from farcell_worker.interrupts import Interrupts
from farcell_worker.outbox import Outbox

_RECEIVE_BYTES = 1 * 2**20
_REMEMBERED = 4096
"""How many ids of `Tell`s are known to have been obeyed; far more than are ever under way."""


class Inlet:
    """The receiving half of the socket whose sending half is the `Outbox`. Ends the process when the keeper is gone."""

    def __init__(self, outbox: Outbox, interrupts: Interrupts, remembered: int = _REMEMBERED) -> None:
        self._outbox = outbox
        self._interrupts = interrupts
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._reader = framing.RecordReader()
        self._decoder = msgspec.msgpack.Decoder(ToWorker)
        self._obeyed: OrderedDict[TellId, None] = OrderedDict()
        self._remembered = remembered
        self._watched = False
        self._work: Callable[[Work], None]
        self._told: Callable[[RunId, Told], None]

    def connect(self, sock: socket.socket, work: Callable[[Work], None], told: Callable[[RunId, Told], None]) -> None:
        """From here `receive` reads `sock`. `work` and `told` are called in the thread that receives, and only pass on
        what they are given."""
        self._socket, self._work, self._told = sock, work, told

    def disconnect(self) -> None:
        """For a process that a user's code forked: what is said is said to its parent."""
        self._socket, self._lock = None, threading.Lock()

    def fileno(self) -> int:
        """Readable when there is something to receive.

        Raises:
            OSError: this is not the worker, but a process that was forked from it.
        """
        if self._socket is None:
            raise OSError("only the worker itself hears what it is told")
        return self._socket.fileno()

    def receive(self) -> None:
        """Take in what is there now, if anything. Called in any thread; an interrupt waits until it is done."""
        self._interrupts.hold()
        try:
            with self._lock:
                self._take_in()
        finally:
            self._interrupts.release()

    def watch(self) -> None:
        """Have a thread receive too, from the first call on: whatever the main thread does, what is told comes in."""
        if self._watched or self._socket is None:
            return
        self._watched = True
        self._interrupts.hold()
        try:
            threading.Thread(target=self._receive_on, name="farcell-inlet", daemon=True).start()
        finally:
            self._interrupts.release()

    def _receive_on(self) -> None:
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        while True:
            poll.poll()
            self.receive()

    def _take_in(self) -> None:
        try:
            data = self._socket.recv(_RECEIVE_BYTES, socket.MSG_DONTWAIT) if self._socket is not None else b""
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            os._exit(0)
        received = [self._known(body) for body in self._reader.receive_bytes(data)]
        # Before anything can be said in answer.
        self._say_heard([message for message in received if isinstance(message, Tell)])
        for message in received:
            if isinstance(message, Tell):
                self._obey(message)
            elif message is not None:
                self._work(message)

    def _known(self, body: bytes) -> Work | Tell | None:
        """A message that is left to be obeyed."""
        message: Work | Tell = framing.unpack(body, self._decoder, who="the keeper")
        if isinstance(message, Tell):
            return message if self._outbox.is_open(message.run) else None
        if message.aside:
            self._outbox.open_comms(message.run)
            return None
        return message

    def _say_heard(self, tells: list[Tell]) -> None:
        by_run: dict[RunId, list[TellId]] = {}
        for tell in tells:
            by_run.setdefault(tell.run, []).append(tell.tell)
        for run, ids in by_run.items():
            self._outbox.post_in(run, Heard(ids))

    def _obey(self, tell: Tell) -> None:
        if tell.tell in self._obeyed:
            return
        self._obeyed[tell.tell] = None
        if len(self._obeyed) > self._remembered:
            self._obeyed.popitem(last=False)
        try:
            told = decode_told(tell.payload)
        except msgspec.DecodeError as err:
            self._outbox.write("stderr", f"farcell: what was told cannot be read, and does nothing: {err}\n")
            return
        self._told(tell.run, told)
