"""A worker at work: one run after the other, each ended by its `End`, whatever happens in it."""

import asyncio
import os
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import NoReturn

import msgspec

from farcell_protocol import framing
from farcell_protocol.errors import BadRequest, ErrorInfo, FarcellError, RunFailure
from farcell_protocol.frames import End, Message, Outcome, ValueBack, Variables
from farcell_protocol.ids import RunId
from farcell_protocol.messages.cells import Cell, CommMessage, InterruptHandler, Told, decode_cell
from farcell_protocol.messages.work import Failed, Hello, Work
from farcell_worker import isolation
from farcell_worker.exchange import Before
from farcell_worker.inlet import Inlet
from farcell_worker.interrupts import Interrupts
from farcell_worker.launch import Order
from farcell_worker.outbox import Outbox
from farcell_worker.transport import KernelTransport


class Service:
    """Receives work on its socket and executes it strictly in order, on one event loop in the main thread.

    The loop keeps running between the runs, so tasks that a cell started go on.
    """

    def __init__(
        self, order: Order, outbox: Outbox, inlet: Inlet, interrupts: Interrupts, transport: KernelTransport
    ) -> None:
        self._order = order
        self._outbox = outbox
        self._inlet = inlet
        self._interrupts = interrupts
        self._transport = transport
        self._socket = socket.socket(fileno=order.worker_fd)
        self._loop: asyncio.AbstractEventLoop
        self._waiting: asyncio.Queue[Work] = asyncio.Queue()

    def serve(self, notes: list[str]) -> NoReturn:
        """Say hello and work until the keeper closes the socket. `notes` go with the first run's output."""
        loop = self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        self._interrupts.watch_for_lost_ones()
        self._outbox.connect(self._socket)
        for note in notes:
            self._outbox.write("stderr", note)
        try:
            loop.run_until_complete(self._start(loop))
        except FarcellError as err:
            self._socket.sendall(framing.encode(Failed(self._order.fork.worker, err.info())))
            os._exit(1)
        self._socket.sendall(framing.encode(self._hello()))
        work = loop.create_task(self._work())
        while not work.done():
            # A cell may stop the loop, and a task of its own may end with SystemExit: both come out here.
            with suppress(KeyboardInterrupt, SystemExit):
                loop.run_forever()
        work.result()
        os._exit(1)

    async def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        await self._transport.start(loop)
        self._inlet.connect(self._socket, self._take_work, self._take_told)
        loop.add_reader(self._socket.fileno(), self._inlet.receive)

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

    def _take_work(self, work: Work) -> None:
        if threading.current_thread() is threading.main_thread():
            self._waiting.put_nowait(work)
        else:
            self._loop.call_soon_threadsafe(self._waiting.put_nowait, work)

    def _take_told(self, run: RunId, told: Told) -> None:
        if isinstance(told, CommMessage):
            self._transport.comm(told)
        elif isinstance(told, InterruptHandler):
            self._transport.interrupt_handler()
        elif run == self._outbox.cell_run:
            self._transport.reply(told.request, told.value)

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
                self._outbox.write("stderr", "".join(traceback.format_exception(err)))
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
                self._send_values(await self._transport.values.fetch(cell.fetch))
                return End("ok")
            before = await self._transport.values.admit(cell)
        except FarcellError as err:
            return _refused(err)
        except KeyboardInterrupt:
            self._interrupts.disarm()
            return self._interrupted("while the cell's values were being loaded", cell.execution_count)
        reply = await self._transport.execute(cell, work.run)
        await self._send_results(cell, before, reply.ok)
        outcome: Outcome = "ok" if reply.ok else "error"
        return End(outcome, execution_count=reply.execution_count, variables=self._variables())

    def _variables(self) -> Variables | None:
        try:
            return self._transport.values.variables()
        except KeyboardInterrupt:
            self._interrupts.disarm()
            return None

    async def _send_results(self, cell: Cell, before: Before, finished: bool) -> None:
        if cell.returns:
            try:
                self._send_values(await self._transport.values.results(cell, before, finished=finished))
            except KeyboardInterrupt:
                self._say_not_all_came()

    def _send_values(self, values: Iterator[ValueBack]) -> None:
        """Pickling may run code of the user's and take long, so it can be interrupted: what is left does not come."""
        try:
            with self._interrupts.armed():
                for value in values:
                    self._post_pieces(value, values)
        except KeyboardInterrupt:
            self._say_not_all_came()

    def _say_not_all_came(self) -> None:
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
    name = type(err).__name__
    return End("lost", reason=ErrorInfo(RunFailure.code, f"the worker itself failed: {name}: {err}", {"error": name}))
