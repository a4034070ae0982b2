"""ipykernel's own kernel and shell, with what ties them to ZMQ taken out and nothing else changed."""

import asyncio
import linecache
import logging
import os
import pdb
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any

import xxhash
from ipykernel.compiler import XCachingCompiler
from ipykernel.displayhook import ZMQShellDisplayHook
from ipykernel.eventloops import enable_gui as enable_gui_of_kernel
from ipykernel.ipkernel import IPythonKernel
from ipykernel.zmqshell import ZMQDisplayPublisher
from ipykernel.zmqshell import ZMQInteractiveShell as _ShellOverZMQ
from IPython.core import debugger
from IPython.core.error import UsageError
from traitlets.config import Config

from farcell_protocol.messages.cells import Cell
from farcell_worker.interrupts import Interrupts
from farcell_worker.session import JupyterSession
from farcell_worker.streams import Streams, standing_in
from farcell_worker.transport import QUIT_REFUSED

_answered: ContextVar[dict[str, Any] | None] = ContextVar("farcell_answered", default=None)
"""The comm's message that is being handled here, which is then the parent of what is said; null in cells."""

_OUR_FOLDER = os.path.dirname(__file__) + os.sep


class CellCompiler(XCachingCompiler):
    """Names a cell's code as the client has named it, so that a traceback says the same on either side; else as
    ipykernel does, by a hash that is not computed character by character in Python."""

    _given: tuple[str, str] = ("", "")

    def learn(self, cell: Cell) -> None:
        """The name of the cell that is about to run, and the code that functions among its values come from."""
        self._given = cell.source, cell.cell_name
        for source in cell.sources:
            self._filename_map[source.file] = source.number
            lines = source.text.splitlines(keepends=True)
            linecache.cache[source.file] = len(source.text), None, lines, source.file

    def get_code_name(self, raw_code: str, code: str, number: int) -> str:
        """The file name that tracebacks translate to "Cell In[n]"."""
        if self._given[1] and self._given[0] == raw_code:
            return self._given[1]
        digest = xxhash.xxh3_64_hexdigest(raw_code.encode("utf-8", "surrogatepass"))
        return os.path.join(tempfile.gettempdir(), f"ipykernel_{os.getpid()}", f"{number}_{digest}.py")


class _Publisher(ZMQDisplayPublisher):
    def _flush_streams(self) -> None:
        shell: Any = self.parent
        with standing_in(shell.streams):
            super()._flush_streams()  # type: ignore[no-untyped-call]


class _DisplayHook(ZMQShellDisplayHook):
    def finish_displayhook(self) -> None:
        shell: Any = self.shell
        with standing_in(shell.streams):
            super().finish_displayhook()  # type: ignore[no-untyped-call]


class ZMQInteractiveShell(_ShellOverZMQ):
    """The notebook shell. Keeps its name: rich and others recognise a notebook by it."""

    display_pub_class = _Publisher
    displayhook_class = _DisplayHook
    interrupts: Interrupts
    streams: Streams

    def get_parent(self) -> Any:
        """As the base class, but in a comm's handler its message, whatever cell runs beside it."""
        return _answered.get() or super().get_parent()  # type: ignore[no-untyped-call]

    def set_parent(self, parent: Any) -> None:
        """As the base class; in a comm's handler, nothing, since it would change the parent of the cell as well."""
        if _answered.get() is None:
            super().set_parent(parent)  # type: ignore[no-untyped-call]

    def enable_gui(self, gui: Any = None) -> None:
        """As the base class, but naming the kernel: there is no application to find it in, which would raise."""
        try:
            enable_gui_of_kernel(gui, kernel=self.kernel)  # type: ignore[no-untyped-call]
            self.active_eventloop = gui
        except ValueError as err:
            raise UsageError(str(err)) from err

    def ask_exit(self) -> None:
        """`quit` in a far cell: the session is not the cell's to end."""
        print(QUIT_REFUSED, file=sys.stderr)

    async def run_code(self, *args: Any, **kwargs: Any) -> bool:
        """As the base class. Only what runs in here can be interrupted: around it, IPython swallows interrupts."""
        self.interrupts.reached()
        failed: bool = await super().run_code(*args, **kwargs)  # type: ignore[no-untyped-call]
        return failed

    def system_piped(self, cmd: str) -> None:
        """`!cmd`, as the base class; interrupted while the command is being started, that has no child to stop yet
        and fails over it."""
        try:
            super().system_piped(cmd)  # type: ignore[no-untyped-call]
        except UnboundLocalError as err:
            if isinstance(err.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from None
            raise

    system = system_piped

    @contextmanager
    def _tee(self, channel: str) -> Iterator[None]:
        """IPython keeps all that is printed, for `%notebook`: a gigabyte of output would be a gigabyte of memory."""
        yield

    def showtraceback(self, exc_tuple: Any = None, *args: Any, **kwargs: Any) -> None:
        """An interrupt shows as a KeyboardInterrupt at the user's line, also where it cancelled an await, or came while
        we were sending what the line said."""
        error = exc_tuple[1] if exc_tuple else sys.exc_info()[1]
        if self.interrupts.arrived and isinstance(error, asyncio.CancelledError | KeyboardInterrupt):
            trace = _without_our_end(error.__traceback__)
            interrupt = KeyboardInterrupt(*(error.args if isinstance(error, KeyboardInterrupt) else ()))
            exc_tuple = (KeyboardInterrupt, interrupt.with_traceback(trace), trace)
        with standing_in(self.streams):
            super().showtraceback(exc_tuple, *args, **kwargs)

    def showsyntaxerror(self, *args: Any, **kwargs: Any) -> None:
        """As the base class, whatever became of `sys.stdout`."""
        with standing_in(self.streams):
            super().showsyntaxerror(*args, **kwargs)  # type: ignore[no-untyped-call]


def _without_our_end(trace: TracebackType | None) -> TracebackType | None:
    """The traceback up to the last frame that is not ours."""
    entries = []
    while trace is not None:
        entries.append(trace)
        trace = trace.tb_next
    while len(entries) > 1 and entries[-1].tb_frame.f_code.co_filename.startswith(_OUR_FOLDER):
        entries.pop()
    for entry in reversed(entries):
        # Interrupted between two lines, an entry has no line.
        line: int | None = entry.tb_lineno
        trace = TracebackType(trace, entry.tb_frame, entry.tb_lasti, line or entry.tb_frame.f_code.co_firstlineno)
    return trace


class _KeptNowhere(dict[int, list[Any]]):
    """Stands for what IPython keeps of a session's outputs: displays would stay in memory for as long as it lives."""

    def __missing__(self, _number: int) -> list[Any]:
        return []


class _NoShellChannel:
    """`do_execute` asks which thread cells run in."""

    def __init__(self) -> None:
        self.parent_thread = threading.main_thread()


class FarKernel(IPythonKernel):
    """An `IPythonKernel` with no sockets and no threads; made before the fork, used after it."""

    shell_class = ZMQInteractiveShell
    compiler_class = CellCompiler
    _supports_kernel_subshells = False
    _execute_sleep = 0.0
    interrupts: Interrupts
    ask: Callable[[str, bool], str]
    """What `input()` calls, with the prompt and whether it is for a password."""

    def get_parent(self, channel: str | None = None) -> Any:
        """As the base class, but in a comm's handler its message."""
        return _answered.get() or super().get_parent(channel)  # type: ignore[no-untyped-call]

    def answer(self, message: dict[str, Any]) -> None:
        """Have a comm's message handled in this thread and context, which become the message's own. Raises nothing."""
        _answered.set(message)
        shell: Any = self.shell
        try:
            if threading.current_thread() is threading.main_thread():
                with self.interrupts.of_handler(FarKernel._handle.__code__):
                    self._handle(message)
            else:
                self._handle(message)
        except BaseException:
            shell.showtraceback()

    def _handle(self, message: dict[str, Any]) -> None:
        self.interrupts.reached()
        getattr(self.comm_manager, message["header"]["msg_type"])(None, [], message)

    def _input_request(self, prompt: str, ident: Any, parent: Any, password: bool = False) -> str:
        try:
            return self.ask(prompt, password)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("Interrupted by user") from None

    def learn(self, cell: Cell) -> None:
        """What tracebacks need to know of a cell before its values are loaded and it runs."""
        shell: Any = self.shell
        shell.compile.learn(cell)

    def _abort_queues(self, subshell_id: str | None = None) -> None:
        """Nothing is queued here: whoever sends the cells decides what an error means for the next."""

    @contextmanager
    def _cancel_on_sigint(self, future: "asyncio.Task[Any]") -> Iterator[None]:
        with self.interrupts.cancelling(future):
            yield


def build_kernel(session: JupyterSession, interrupts: Interrupts, streams: Streams) -> FarKernel:
    """The kernel and its shell, ready to run cells, from pure imports: no socket, no thread, no database. Errors are
    shown whatever a cell made of `streams`."""
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    # Its import takes time and threads; the kernel looks for it once, here, so a user can still import it.
    hidden = "debugpy" not in sys.modules
    if hidden:
        sys.modules["debugpy"] = None  # type: ignore[assignment]
    try:
        return _build(session, interrupts, streams)
    finally:
        if hidden:
            del sys.modules["debugpy"]


def _use_debugger_of_ipython() -> None:
    """`pdb` in a notebook is IPython's, which can be interrupted; ipykernel's application does the same."""
    pdb.Pdb = debugger.Pdb = debugger.InterruptiblePdb  # type: ignore[misc, assignment]
    pdb.set_trace = debugger.set_trace


def _build(session: JupyterSession, interrupts: Interrupts, streams: Streams) -> FarKernel:
    _use_debugger_of_ipython()
    config = Config({"HistoryManager": {"enabled": False}})
    log = logging.getLogger("farcell_worker.kernel")
    # A logger must be given: without one, comm messages vanish silently.
    # Without a namespace of somebody's, IPython makes a module of its own, as for a kernel that is an application: a
    # given one, also the empty one that would be made here, lacks what every module has in it (`__spec__`, `__doc__`).
    kernel = FarKernel.instance(config=config, log=log, session=session, iopub_socket=session.iopub, user_ns=None)
    shell: Any = kernel.shell
    if not isinstance(shell.compile, CellCompiler):
        # ipykernel 6 names the class itself.
        shell.compile = CellCompiler()  # type: ignore[no-untyped-call]
    kernel.interrupts = shell.interrupts = interrupts
    shell.streams = streams
    shell.history_manager.outputs = _KeptNowhere()
    kernel.shell_channel_thread = _NoShellChannel()
    return kernel
