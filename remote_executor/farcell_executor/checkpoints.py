"""Places between the steps of a cell's journey, at which tests kill the executor."""

import os
import signal
from collections.abc import Callable

from farcell_protocol.errors import BadRequest

CHECKPOINTS = (
    "before-save",
    "after-save",
    "before-start-worker",
    "after-start-worker",
    "before-dispatch",
    "after-dispatch",
    "before-log-append",
    "after-log-append",
    "before-ack",
    "after-ack",
    "before-end-saved",
    "after-end-saved",
)
"""Between which steps of one cell's journey tests kill the executor. The two around `save` are passed when
a run is among what is saved."""

Checkpoint = Callable[[str], None]


def no_checkpoint(name: str) -> None:
    """What an executor outside of tests does at a checkpoint."""


def checkpoint_for(fault_at: str) -> Checkpoint:
    """What is done at checkpoints: nothing, or, for tests, the process kills itself at one of them.

    Raises:
        BadRequest: there is no checkpoint of that name.
    """
    if not fault_at:
        return no_checkpoint
    if fault_at not in CHECKPOINTS:
        raise BadRequest(f"FARCELL_FAULT_AT={fault_at!r} is none of {', '.join(CHECKPOINTS)}")

    def die_there(name: str) -> None:
        if name == fault_at:
            os.kill(os.getpid(), signal.SIGKILL)

    return die_there
