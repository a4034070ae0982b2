"""What the bridge does inside a Python kernel, by expressions it asks the kernel to evaluate. Nothing here is public to
the user's namespace, and nothing of ipykernel's insides is touched without which cells would not run as well.

Values travel through files that the worker makes and deletes. An answer is a file of frames that ends with an `End`:
"ok", "refused" with the reason, or "error" for an interrupt.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from farcell_protocol import framing
from farcell_protocol.errors import FarcellError
from farcell_protocol.frames import End, ValueBack
from farcell_protocol.messages.cells import Cell, decode_cell
from farcell_protocol.messages.work import NUDGE
from farcell_worker.capture import Capture
from farcell_worker.exchange import Before, Exchange
from farcell_worker.routes import StreamName
from farcell_worker.transport import QUIT_REFUSED


class Guest:
    """The part of one kernel that is ours."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._exchange = Exchange(shell.user_ns)
        self._cell: Cell | None = None
        self._before = Before()
        # What children and C code write becomes output of the cell before the cell has ended, not soon after.
        self._capture = Capture(KernelStreams())
        self._pid = os.getpid()
        shell.events.register("post_execute", self._cell_ends)
        os.register_at_fork(after_in_child=self._capture.after_fork)
        with suppress(RuntimeError, NotImplementedError):
            # A handler of the loop's, of any signal, has SIGINT wake the loop too: it ends an `await` at once.
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, int)
        with suppress(ValueError):
            # That there is a handler is what makes a signal end a call that began just before an interrupt was seen.
            signal.signal(NUDGE, _nudged)
        shell.ask_exit = lambda: print(QUIT_REFUSED, file=sys.stderr)
        _lose_no_output(shell.kernel)

    def install(self) -> None:
        """Making it was all."""

    def _cell_ends(self) -> None:
        self._capture.drain()
        if os.getpid() != self._pid:
            # A process the cell forked ran on to the end of the cell: it must not go on as a second kernel.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)

    def count(self, number: int) -> None:
        """The next cell's number, also in `In`: cells that ran elsewhere leave empty places there."""
        self._shell.execution_count = number
        history = self._shell.history_manager
        for inputs in (history.input_hist_parsed, history.input_hist_raw):
            inputs.extend([""] * (number - len(inputs)))

    def admit(self, folder: str) -> None:
        """Bind the values of the cell in the folder's `cell`."""
        with _Answer(Path(folder)):
            self._cell = decode_cell((Path(folder) / "cell").read_bytes())
            self._before = self._exchange.admit(self._cell)

    def results(self, folder: str, finished: bool) -> None:
        """What comes home after that cell."""
        with _Answer(Path(folder)) as answer:
            assert self._cell is not None
            answer.write_all(self._exchange.results(self._cell, self._before, finished=finished))

    def fetch(self, folder: str) -> None:
        """The values that the cell in the folder asks for."""
        with _Answer(Path(folder)) as answer:
            answer.write_all(self._exchange.fetch(decode_cell((Path(folder) / "cell").read_bytes()).fetch))


def _nudged(_signum: int, _frame: object) -> None:
    """Python looks for other signals too, now."""


class KernelStreams:
    """Takes captured text and says it as the kernel would its own."""

    def write(self, stream: StreamName, text: str) -> None:
        """Any thread may call it."""
        (sys.stdout if stream == "stdout" else sys.stderr).write(text)


class _Answer:
    """The folder's `answer`, written within; what is raised within is its end."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "answer"
        self._file: BinaryIO

    def __enter__(self) -> "_Answer":
        self._file = self._path.open("wb")
        return self

    def write_all(self, values: Iterator[ValueBack]) -> None:
        """All pieces of a value or none, when interrupted."""
        whole = 0
        try:
            for piece in values:
                self._file.write(framing.encode(piece))
                if not piece.more:
                    whole = self._file.tell()
        except KeyboardInterrupt:
            self._file.truncate(whole)
            self._file.seek(whole)
            raise

    def __exit__(self, _kind: Any, error: BaseException | None, _trace: Any) -> bool:
        end = End("ok")
        if isinstance(error, FarcellError):
            end = End("refused", reason=error.info())
        elif isinstance(error, KeyboardInterrupt):
            end = End("error")
        elif error is not None:
            return False
        self._file.write(framing.encode(end))
        self._file.close()
        return True


def _lose_no_output(kernel: Any) -> None:
    """Where its publisher lets us: wait for a slow reader instead of dropping what is over a thousand messages."""
    import zmq

    with suppress(AttributeError):
        thread = kernel.iopub_thread
        thread.schedule(lambda: thread.socket.setsockopt(zmq.XPUB_NODROP, 1))


_installed: Guest | None = None


def guest() -> Guest:
    """The guest of this kernel, made at the first call.

    Raises:
        RuntimeError: this is no IPython kernel.
    """
    global _installed
    if _installed is None:
        from IPython.core.getipython import get_ipython

        shell: Any = get_ipython()
        if shell is None or not hasattr(shell, "kernel"):
            raise RuntimeError("not an IPython kernel")
        _installed = Guest(shell)
    return _installed
