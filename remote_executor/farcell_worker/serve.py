"""A worker at work: one run after the other, each ended by its `End`, whatever happens in it."""

import asyncio
import os
import socket
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import NoReturn

import msgspec

from farcell_protocol import framing
from farcell_protocol.errors import BadRequest, ErrorInfo, FarcellError, RunFailure
from farcell_protocol.frames import End, Message, ValueBack
from farcell_protocol.messages.cells import Cell, decode_cell
from farcell_protocol.messages.work import Hello, ToWorker, Work
from farcell_worker import isolation
from farcell_worker.exchange import Before, Exchange
from farcell_worker.interrupts import Interrupts
from farcell_worker.launch import Order
from farcell_worker.outbox import Outbox
from farcell_worker.transport import KernelTransport

_RECEIVE_BYTES = 1 * 2**20


class Worker:
    """Receives work on its socket and executes it strictly in order, on one event loop in the main thread.

    The loop keeps running between the runs, so tasks that a cell started go on.
    """

    def __init__(self, order: Order, outbox: Outbox, interrupts: Interrupts, transport: KernelTransport) -> None:
        self._order = order
        self._outbox = outbox
        self._interrupts = interrupts
        self._transport = transport
        names = transport.namespace
        self._exchange = None if names is None else Exchange(names)
        self._socket = socket.socket(fileno=order.worker_fd)
        self._reader = framing.RecordReader()
        self._decoder = msgspec.msgpack.Decoder(ToWorker)
        self._waiting: asyncio.Queue[Work] = asyncio.Queue()

    def serve(self, notes: list[str]) -> NoReturn:
        """Say hello and work until the keeper closes the socket. `notes` go with the first run's output."""
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        self._interrupts.watch_for_lost_ones()
        self._outbox.connect(self._socket)
        for note in notes:
            self._outbox.write("stderr", note)
        loop.run_until_complete(self._start(loop))
        self._socket.sendall(framing.encode(self._hello()))
        work = loop.create_task(self._work())
        while not work.done():
            # A cell may stop the loop, and a task of its own may end with SystemExit: both come out here.
            with suppress(KeyboardInterrupt, SystemExit):
                loop.run_forever()
        work.result()
        os._exit(1)

    async def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._transport.start(loop)
        loop.add_reader(self._socket.fileno(), self._receive)

    def _hello(self) -> Hello:
        return Hello(
            worker=self._order.fork.worker,
            pid=os.getpid(),
            pid_namespace=isolation.pid_namespace(),
            python=".".join(map(str, sys.version_info[:3])),
            isolation="namespaces" if self._order.isolated else "none",
            started_by=self._order.started_by,
            why_not=self._order.why_not,
        )

    def _receive(self) -> None:
        try:
            data = self._socket.recv(_RECEIVE_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            os._exit(0)
        for body in self._reader.receive_bytes(data):
            self._waiting.put_nowait(framing.unpack(body, self._decoder, who="the keeper"))

    async def _work(self) -> None:
        while True:
            work = await self._waiting.get()
            self._interrupts.begin()
            self._outbox.begin(work.run)
            try:
                end = await self._run(work)
            except KeyboardInterrupt:
                self._interrupts.disarm()
                end = self._interrupted("again, while the one before was being taken in", 0)
            except BaseException as err:
                # A fault of ours: the run must end all the same.
                end = _end_of_fault(err)
            self._interrupts.end()
            self._outbox.end(end)

    async def _run(self, work: Work) -> End:
        try:
            cell = decode_cell(work.payload)
        except msgspec.DecodeError as err:
            return _refused(BadRequest(f"the payload of {len(work.payload):,} bytes is not a cell: {err}"))
        try:
            if cell.fetch:
                return self._fetch(cell)
            before = self._admit(cell)
        except FarcellError as err:
            return _refused(err)
        except KeyboardInterrupt:
            self._interrupts.disarm()
            return self._interrupted("while the cell's values were being loaded", cell.execution_count)
        reply = await self._transport.execute(cell.source, cell.execution_count, work.run)
        self._send_results(cell, before, reply.ok)
        return End("ok" if reply.ok else "error", execution_count=reply.execution_count)

    def _admit(self, cell: Cell) -> Before:
        if self._exchange is None:
            return Before()
        with self._interrupts.armed():
            return self._exchange.admit(cell)

    def _fetch(self, cell: Cell) -> End:
        if self._exchange is None:
            return _refused(BadRequest("this kernel's values cannot be fetched"))
        self._send_values(self._exchange.fetch(cell.fetch))
        return End("ok")

    def _send_results(self, cell: Cell, before: Before, finished: bool) -> None:
        if self._exchange is not None and cell.returns:
            self._send_values(self._exchange.results(cell, before, finished=finished))

    def _send_values(self, values: Iterator[ValueBack]) -> None:
        """Pickling may run code of the user's and take long, so it can be interrupted: what is left does not come."""
        try:
            with self._interrupts.armed():
                for value in values:
                    self._post_pieces(value, values)
        except KeyboardInterrupt:
            self._interrupts.disarm()
            self._outbox.write("stderr", "farcell: interrupted while the results were being sent; some did not come\n")

    def _post_pieces(self, piece: ValueBack, following: Iterator[ValueBack]) -> None:
        """All pieces of one value, or none: half a value is of no use to anybody."""
        self._interrupts.hold()
        try:
            self._outbox.post(piece)
            while piece.more:
                piece = next(following)
                self._outbox.post(piece)
        finally:
            self._interrupts.release()

    def _interrupted(self, when: str, execution_count: int) -> End:
        content = {"ename": "KeyboardInterrupt", "evalue": "", "traceback": [f"KeyboardInterrupt {when}"]}
        self._outbox.post(Message("error", content))
        return End("error", execution_count=execution_count)


def _refused(err: FarcellError) -> End:
    return End("refused", reason=err.info())


def _end_of_fault(err: BaseException) -> End:
    text = "".join(traceback.format_exception(err))
    with suppress(OSError):
        os.write(2, text.encode("utf-8", "backslashreplace"))
    name = type(err).__name__
    return End("lost", reason=ErrorInfo(RunFailure.code, f"the worker itself failed: {name}: {err}", {"error": name}))
