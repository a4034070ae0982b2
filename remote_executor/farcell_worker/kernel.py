"""ipykernel's own kernel and shell, with what ties them to ZMQ taken out and nothing else changed."""

import asyncio
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import xxhash
from ipykernel.compiler import XCachingCompiler
from ipykernel.eventloops import enable_gui as enable_gui_of_kernel
from ipykernel.ipkernel import IPythonKernel
from ipykernel.zmqshell import ZMQInteractiveShell as _ShellOverZMQ
from IPython.core.error import UsageError
from traitlets.config import Config

from farcell_worker.interrupts import Interrupts
from farcell_worker.session import FarSession

_OUR_FOLDER = os.path.dirname(__file__) + os.sep


class CellCompiler(XCachingCompiler):
    """Names a cell's code as ipykernel does, by a hash that is not computed character by character in Python."""

    def get_code_name(self, raw_code: str, code: str, number: int) -> str:
        """The file name that tracebacks translate to "Cell In[n]"."""
        digest = xxhash.xxh3_64_hexdigest(raw_code.encode("utf-8", "surrogatepass"))
        return os.path.join(tempfile.gettempdir(), f"ipykernel_{os.getpid()}", f"{number}_{digest}.py")


class ZMQInteractiveShell(_ShellOverZMQ):
    """The notebook shell. Keeps its name: rich and others recognise a notebook by it."""

    interrupts: Interrupts

    def enable_gui(self, gui: Any = None) -> None:
        """As the base class, but naming the kernel: there is no application to find it in, which would raise."""
        try:
            enable_gui_of_kernel(gui, kernel=self.kernel)  # type: ignore[no-untyped-call]
            self.active_eventloop = gui
        except ValueError as err:
            raise UsageError(str(err)) from err

    def ask_exit(self) -> None:
        """`quit` in a far cell: the session is not the cell's to end."""
        print("farcell: quit() does not end a far session; `%gpu stop` does", file=sys.stderr)

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

    def showtraceback(self, exc_tuple: Any = None, *args: Any, **kwargs: Any) -> None:
        """An interrupt shows as a KeyboardInterrupt at the user's line, also where it cancelled an await, or came while
        we were sending what the line said."""
        error = exc_tuple[1] if exc_tuple else sys.exc_info()[1]
        cancelled = isinstance(error, asyncio.CancelledError) and self.interrupts.arrived
        if error is not None and (cancelled or isinstance(error, KeyboardInterrupt)):
            trace = _without_our_end(error.__traceback__)
            exc_tuple = (KeyboardInterrupt, KeyboardInterrupt().with_traceback(trace), trace)
        super().showtraceback(exc_tuple, *args, **kwargs)


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

    def _abort_queues(self, subshell_id: str | None = None) -> None:
        """Nothing is queued here: whoever sends the cells decides what an error means for the next."""

    @contextmanager
    def _cancel_on_sigint(self, future: "asyncio.Task[Any]") -> Iterator[None]:
        with self.interrupts.cancelling(future):
            yield


def build_kernel(session: FarSession, interrupts: Interrupts) -> FarKernel:
    """The kernel and its shell, ready to run cells, from pure imports: no socket, no thread, no database."""
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    # Its import takes time and threads; the kernel looks for it once, here, so a user can still import it.
    hidden = "debugpy" not in sys.modules
    if hidden:
        sys.modules["debugpy"] = None  # type: ignore[assignment]
    try:
        return _build(session, interrupts)
    finally:
        if hidden:
            del sys.modules["debugpy"]


def _build(session: FarSession, interrupts: Interrupts) -> FarKernel:
    config = Config({"HistoryManager": {"enabled": False}})
    log = logging.getLogger("farcell_worker.kernel")
    # A logger must be given: without one, comm messages vanish silently.
    kernel = FarKernel.instance(config=config, log=log, session=session, iopub_socket=session.iopub)
    shell: Any = kernel.shell
    kernel.interrupts = shell.interrupts = interrupts
    kernel.shell_channel_thread = _NoShellChannel()
    return kernel
