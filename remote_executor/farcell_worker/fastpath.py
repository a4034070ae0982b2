"""The fast path: ipykernel's own kernel in this process, with nothing between it and the outbox."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextvars import Context
from pathlib import Path
from typing import Any

from tornado.ioloop import IOLoop

from farcell_protocol.frames import SHOWN, Message
from farcell_protocol.ids import RunId
from farcell_protocol.messages.cells import Cell, CommMessage
from farcell_worker.capture import Capture
from farcell_worker.comms import CommLine
from farcell_worker.inlet import Inlet
from farcell_worker.interrupts import Interrupts
from farcell_worker.kernel import FarKernel, ZMQInteractiveShell, build_kernel
from farcell_worker.local_values import LocalValues
from farcell_worker.outbox import Outbox
from farcell_worker.session import IOPub, JupyterSession, as_received, nothing, parent_of
from farcell_worker.stdin import Stdin
from farcell_worker.streams import install_streams
from farcell_worker.transport import Reply


class FastPath:
    """A `KernelTransport`. Made before a fork if need be; `start` is called in the process that serves."""

    def __init__(self, outbox: Outbox, interrupts: Interrupts, inlet: Inlet) -> None:
        self._outbox = outbox
        self._inlet = inlet
        self._stdin = Stdin(outbox, inlet)
        self._comms = CommLine(self._answer)
        self._interrupts = interrupts
        self._streams = install_streams(outbox)
        self._session = JupyterSession().attach(outbox, IOPub())
        self._kernel: FarKernel = build_kernel(self._session, interrupts, self._streams)
        self._shell: Any = self._kernel.shell
        names: dict[str, Any] = self._shell.user_ns  # type: ignore[union-attr]
        self._values = LocalValues(names, interrupts, self._kernel.learn)
        self._drain: Callable[[], None] = nothing
        self._kernel.ask = self._ask

    @property
    def values(self) -> LocalValues:
        """The user's names, module `__main__`."""
        return self._values

    def warm_up(self) -> None:
        """Run the cells whose first time costs most, before a fork; leaves no name and no number behind."""
        shell = self._shell
        for source in ("1+1", "1/0", "!true"):
            shell.run_cell(source, store_history=False)
        shell.displayhook.flush()
        # What it hides is compared with what there is to see whether a user took `_`; left unequal, `_` would never be
        # set again.
        shell.push({"_": "", "__": "", "___": ""}, interactive=False)
        for names in (shell.user_ns, shell.user_ns_hidden):
            names.pop("_exit_code", None)
        shell.last_execution_result = None
        sys.last_value = sys.last_traceback = None

    async def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Capture descriptors 1 and 2, and tie the kernel to the loop."""
        self._enter_folder()
        capture = Capture(self._outbox)
        self._drain = capture.drain
        self._session.drain = self._drain_unbroken
        for stream in self._streams:
            stream.drain_with(self._drain_unbroken)
        self._session.comms_opened = self._inlet.watch
        self._stdin.start()
        self._comms.start(loop)
        self._kernel.io_loop = IOLoop.current()
        self._kernel.shell_channel_thread.parent_thread = threading.main_thread()
        os.register_at_fork(after_in_child=lambda: self._after_fork(capture))

    async def execute(self, cell: Cell, run: RunId) -> Reply:
        """Run one cell with the kernel's own `do_execute`."""
        if cell.execution_count:
            self._count_from(cell.execution_count)
        number: int = self._shell.execution_count
        kernel: Any = self._kernel
        errors_before = self._session.errors_sent
        kernel.set_parent([], parent_of(self._session, cell.msg_id or run))
        with self._comms.beside():
            failed = await self._execute_interruptibly(cell)
        if self._session.forked:
            # A process the cell forked ran on to the end of the cell, or raised: it must not go on as a second worker.
            self._leave(failed)
        if failed is not None and self._session.errors_sent == errors_before:
            self._say_error(*failed)
        self._drain()
        return Reply(failed is None, number)

    def interrupt(self) -> None:
        """The signal handler does it: see `interrupts`."""
        self._interrupts.on_signal(signal.SIGINT, None)

    def comm(self, message: CommMessage) -> None:
        """Handled on the loop if no cell runs, else in a thread."""
        self._inlet.watch()
        self._comms.put(message)

    def interrupt_handler(self) -> None:
        """By a nudge, which only a handler takes for an interrupt: see `interrupts`."""
        self._interrupts.interrupt_handler()

    def reply(self, request: int, value: str) -> None:
        """Wakes the cell that asked."""
        self._stdin.reply(request, value)

    def _ask(self, prompt: str, password: bool) -> str:
        self._drain_unbroken()
        return self._stdin.ask(prompt, password=password)

    def _answer(self, message: CommMessage) -> None:
        with self._outbox.answering(message.msg_id):
            self._kernel.answer(as_received(self._session, message))
            # Front ends take output of a callback only until they hear this of its message.
            self._outbox.post(Message("status", {"execution_state": "idle"}))

    def _enter_folder(self) -> None:
        """The folders that the shell remembers are those of the process that made it."""
        self._shell.starting_dir = os.getcwd()
        self._shell.history_manager.dir_hist[:] = [Path.cwd()]

    def _count_from(self, number: int) -> None:
        """The cell has this number, also in `In`: cells that ran elsewhere leave empty places there."""
        self._shell.execution_count = number
        history = self._shell.history_manager
        for inputs in (history.input_hist_parsed, history.input_hist_raw):
            inputs.extend([""] * (number - len(inputs)))

    async def _execute_interruptibly(self, cell: Cell) -> tuple[str, str] | None:
        """None if all went well, else the exception's name and text."""
        try:
            kernel: Any = self._kernel
            with self._interrupts.armed(ZMQInteractiveShell.run_code.__code__):
                reply = await kernel.do_execute(
                    cell.source, silent=False, store_history=True, allow_stdin=cell.allow_stdin
                )
        except KeyboardInterrupt:
            # Between two pieces of user code, where nobody shows it.
            self._interrupts.disarm()
            return "KeyboardInterrupt", ""
        if reply["status"] == "ok":
            return None
        return self._name_of_error(reply)

    def _name_of_error(self, reply: dict[str, Any]) -> tuple[str, str]:
        if reply["ename"] == "CancelledError" and self._interrupts.arrived:
            return "KeyboardInterrupt", ""
        return reply["ename"], reply["evalue"]

    def _say_error(self, name: str, text: str) -> None:
        """For what IPython shows as text only (a usage error, an exception group): the traceback has been said."""
        interrupted = name == "KeyboardInterrupt"
        lines = [f"{name}: {text}" if text else name] if interrupted else []
        content = {"ename": name, "evalue": text, "traceback": lines}
        self._outbox.post(Message("error", content, {} if interrupted else {SHOWN: True}))

    def _leave(self, failed: tuple[str, str] | None) -> None:
        if failed is not None:
            self._streams[1].write(f"{failed[0]}: {failed[1]} (in a process that the cell forked)\n")
        for stream in self._streams:
            stream.flush()
        os._exit(0 if failed is None else 1)

    def _drain_unbroken(self) -> None:
        self._interrupts.hold()
        try:
            # What others wrote before this is not said by the comm's handler that this may be called in.
            Context().run(self._drain) if self._outbox.is_answering else self._drain()
        finally:
            self._interrupts.release()

    def _after_fork(self, capture: Capture) -> None:
        """In a process that a user's code forked: output goes to the captured descriptors, signals are its own."""
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._session.forked = True
        self._session.drain = self._drain = nothing
        self._stdin.after_fork()
        self._inlet.disconnect()
        self._outbox.disconnect()
        for stream in self._streams:
            stream.after_fork()
        capture.after_fork()
