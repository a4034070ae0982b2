"""What the machine asks for: imperative, plain data, performed by the driver in the order given.

All `Save`s of one event come first and are stored in one transaction before anything else is done.
Every other action is safe to repeat: after a crash the same ones are asked for again.
"""

from dataclasses import dataclass

from farcell_executor.model import Node, Run, Session, Worker
from farcell_protocol.errors import ErrorInfo
from farcell_protocol.frames import Outcome
from farcell_protocol.ids import DeviceId, NodeId, RunId, SessionId, WorkerId
from farcell_protocol.messages.api import Interpreter


@dataclass(frozen=True)
class Save:
    """Store the new state of a noun, and tell whoever follows it."""

    noun: Run | Session | Worker | Node


@dataclass(frozen=True)
class StartWorker:
    """Have the node's agent claim these devices and start a worker."""

    node: NodeId
    worker: WorkerId
    session: SessionId
    devices: tuple[DeviceId, ...]
    python: Interpreter
    cwd: str


@dataclass(frozen=True)
class Dispatch:
    """Hand the run to the worker; the keeper executes an id at most once."""

    node: NodeId
    worker: WorkerId
    run: RunId


@dataclass(frozen=True)
class Resume:
    """Ask the keeper for the frames of a run that the log does not have yet."""

    node: NodeId
    run: RunId


@dataclass(frozen=True)
class Interrupt:
    """SIGINT for the run's code."""

    node: NodeId
    worker: WorkerId
    run: RunId


@dataclass(frozen=True)
class StopWorker:
    """End the worker's whole process tree."""

    node: NodeId
    worker: WorkerId
    grace_s: float
    reason: ErrorInfo | None


@dataclass(frozen=True)
class ForgetWorker:
    """The keeper may drop what it keeps of a worker that has ended."""

    node: NodeId
    worker: WorkerId


@dataclass(frozen=True)
class EndLog:
    """Write the `End` frame for a run whose worker will not: cancelled in the queue, refused, lost.

    The run has ended when the driver answers with `RunEnded`; if the log already has an `End`, that
    one stands and is what the driver reports. Asked for again after a restart until it is answered,
    so it must be answered even when the frame cannot be written (a full disk).
    """

    run: RunId
    outcome: Outcome
    reason: ErrorInfo | None


Action = Save | StartWorker | Dispatch | Resume | Interrupt | StopWorker | ForgetWorker | EndLog
