"""How a worker reaches the Jupyter kernel that runs its cells: an interface, so that there can be a bridge to any
kernel beside the fast path to our own."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from farcell_protocol.frames import ValueBack, Variables
from farcell_protocol.ids import RunId
from farcell_protocol.messages.cells import Cell, CommMessage
from farcell_worker.exchange import Before
from farcell_worker.plain import COMM_KINDS


@dataclass(frozen=True)
class Reply:
    """What a kernel says of a cell, besides its output. `ok` is false for an exception of the user's."""

    ok: bool
    execution_count: int


class KernelValues(Protocol):
    """The user's names, wherever the kernel keeps them: what `exchange.Exchange` does, possibly in another process.

    Each method may raise KeyboardInterrupt, for SIGINT while it works; then nothing of it counts.
    """

    async def admit(self, cell: Cell) -> Before:
        """Bind the values that came with a cell: all of them, or none.

        Raises:
            FarcellError: they cannot be bound here; nothing has been.
        """

    async def results(self, cell: Cell, before: Before, *, finished: bool) -> Iterator[ValueBack]:
        """What comes home after the cell, as `Exchange.results`."""

    async def fetch(self, names: Sequence[str]) -> Iterator[ValueBack]:
        """These values whole.

        Raises:
            FarcellError: one of the names is not bound there, or no values travel.
        """

    def variables(self) -> Variables | None:
        """What there is, for people to see; None where that cannot be told at once."""


class KernelTransport(Protocol):
    """One kernel, reached somehow. It is given an `Outbox` when made; everything a cell says goes there.

    1. `start` comes first, once, in the process that serves; before it nothing runs, no thread and no loop exists.
       When it returns, the kernel is ready for cells.
    2. `execute` runs one cell to its end. One at a time, on the event loop; the next may depend on all before it.
    3. When `execute` returns, all output the cell made is in the outbox: its own in the order it was made, and that
       of its ended children. Output of threads that go on may come later.
    4. A cell's output is of the kinds in `OUTPUT_KINDS`; never `status`, never `execute_input`. What a comm's handler
       says, comm messages included, is said `Outbox.answering` the message it was called with.
    5. An exception of the user's code, `sys.exit()` and an interrupt included, is not raised here: its `error` message
       is in the outbox, exactly one, and the reply says so. What `execute` raises is a fault of the transport.
    6. `execution_count` is the number shown in tracebacks and results; 0 leaves the counting to the kernel. A kernel
       of another language counts itself.
    7. `interrupt`, called in the main thread while `execute` runs, makes the code raise KeyboardInterrupt.
       It may itself raise that KeyboardInterrupt. Called at any other time it does nothing. Code that waits for input
       is interrupted as any other.
    8. `values` are the user's names, for values to travel in and out; where none can travel, they say why.
    9. A cell finds `Cell.msg_id`, if set, as the id of its parent. Its `input()` is a message `input_request` among its
       output, after all output before it, and waits for `reply`. Without `Cell.allow_stdin`, and wherever the transport
       cannot ask, it raises at once; it never hangs.
    10. `comm` and `reply` may be called in any thread and at any time after `start`, also while `execute` runs, and
       return at once. What they are given for a comm or a request that is not there is forgotten.
    11. Comm messages are handled one after the other, in the order of the calls; those that came before a cell, before
       the cell. An exception of a handler's is shown as the kernel shows it, and the next is handled. The last that
       answers a message is a `status` message, idle.
    12. When the kernel's process ends, this process does, in the same way: by its exit status or its signal.
    """

    async def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Make what may not exist before a fork: threads, descriptors, processes, the kernel's ties to the loop.

        Raises:
            WorkerNotStarted: there is no such kernel, or it does not come up.
        """

    async def execute(self, cell: Cell, run: RunId) -> Reply:
        """Run one cell; its values have been bound."""

    def interrupt(self) -> None:
        """Interrupt the cell that runs."""

    def interrupt_handler(self) -> None:
        """Raise KeyboardInterrupt in what handles a comm's message in the kernel's main thread, if anything does; any
        thread may call it, and it never hits a cell."""

    def comm(self, message: CommMessage) -> None:
        """A front end's message to one of the session's comms."""

    def reply(self, request: int, value: str) -> None:
        """What the user typed for the `input_request` that is frame `request` of the cell that runs."""

    @property
    def values(self) -> KernelValues:
        """The user's names."""


OUTPUT_KINDS = frozenset(
    {"stream", "display_data", "update_display_data", "clear_output", "execute_result", "error"} | COMM_KINDS
)
"""The Jupyter messages of the IOPub channel that are frames; `input_request` is the one of another channel."""

QUIT_REFUSED = "farcell: quit() does not end a far session; `%gpu stop` does"
"""What `quit` and `exit` say in a far cell: the session is not the cell's to end."""
