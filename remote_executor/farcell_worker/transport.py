"""How a worker reaches the Jupyter kernel that runs its cells: an interface, so that there can be a bridge to any
kernel beside the fast path to our own."""

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

from farcell_protocol.ids import RunId


@dataclass(frozen=True)
class Reply:
    """What a kernel says of a cell, besides its output. `ok` is false for an exception of the user's."""

    ok: bool
    execution_count: int


class KernelTransport(Protocol):
    """One kernel, reached somehow. It is given an `Outbox` when made; everything a cell says goes there.

    1. `start` comes first, once, in the process that serves; before it nothing runs, no thread and no loop exists.
    2. `execute` runs one cell to its end. One at a time, on the event loop; the next may depend on all before it.
    3. When `execute` returns, all output the cell made is in the outbox: its own in the order it was made, and that
       of its ended children. Output of threads that go on may come later.
    4. Output is of the kinds in `OUTPUT_KINDS`; never `status`, never `execute_input`.
    5. An exception of the user's code, `sys.exit()` and an interrupt included, is not raised here: its `error` message
       is in the outbox, exactly one, and the reply says so. What `execute` raises is a fault of the transport.
    6. `execution_count` is the number shown in tracebacks and results; 0 leaves the counting to the kernel.
    7. `interrupt`, called in the main thread while `execute` runs, makes the code raise KeyboardInterrupt.
       It may itself raise that KeyboardInterrupt. Called at any other time it does nothing.
    8. `namespace` is the user's global names if the kernel lives in this process, else null: then no values travel.
    """

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Make what may not exist before a fork: threads, descriptors, the kernel's ties to the loop."""

    async def execute(self, source: str, execution_count: int, run: RunId) -> Reply:
        """Run one cell."""

    def interrupt(self) -> None:
        """Interrupt the cell that runs."""

    @property
    def namespace(self) -> dict[str, Any] | None:
        """The user's names."""


OUTPUT_KINDS = frozenset({"stream", "display_data", "update_display_data", "clear_output", "execute_result", "error"})
"""The Jupyter messages that are frames."""
