"""What can happen to the fleet: past tense, plain data. Every event carries no clock; the machine is told `now`."""

from dataclasses import dataclass

from farcell_executor.model import Device, Node
from farcell_protocol.errors import ErrorInfo
from farcell_protocol.frames import Outcome
from farcell_protocol.ids import NodeId, RunId, SessionId
from farcell_protocol.messages.api import RunRequest
from farcell_protocol.messages.keeping import RunReport, WorkerReport


@dataclass(frozen=True)
class RunSubmitted:
    """A request passed the API's checks. The same run id again changes nothing."""

    owner: str
    request: RunRequest


@dataclass(frozen=True)
class RunStopRequested:
    """Cancel: the run ends with this reason, by force `grace_s` after each milder step."""

    run: RunId
    reason: ErrorInfo
    grace_s: float


@dataclass(frozen=True)
class RunInterruptRequested:
    """SIGINT for a running run; a queued one is taken out of the queue."""

    run: RunId


@dataclass(frozen=True)
class RunEnded:
    """The run's `End` frame is in its log, whoever wrote it: the worker, the keeper or an `EndLog`."""

    run: RunId
    outcome: Outcome
    reason: ErrorInfo | None


@dataclass(frozen=True)
class RunRefused:
    """The keeper said no to something about a run (`KeeperRefused` with a run); `reason` says whether that ends it.

    "unavailable" is no end: an interrupt came before the code ran. "not-found" and "bad-request" mean that
    it was never taken, anything else that its output cannot be had any more.
    """

    run: RunId
    reason: ErrorInfo


@dataclass(frozen=True)
class LogFailed:
    """The run's output can no longer be recorded."""

    run: RunId
    reason: ErrorInfo


@dataclass(frozen=True)
class SessionStopRequested:
    """Somebody releases a session and everything in it."""

    session: SessionId
    reason: ErrorInfo
    grace_s: float


@dataclass(frozen=True)
class SessionUsed:
    """Somebody moved a widget of the session, without running anything in it."""

    session: SessionId


@dataclass(frozen=True)
class NodeConnected:
    """An agent introduced itself with everything it has: new, back after a cut, or after a restart of either side."""

    node: Node
    workers: tuple[WorkerReport, ...]
    runs: tuple[RunReport, ...]


@dataclass(frozen=True)
class DevicesChanged:
    """All devices of a node, after a change."""

    node: NodeId
    devices: tuple[Device, ...]


@dataclass(frozen=True)
class NodeDisconnected:
    """The link broke. What ran there probably still does."""

    node: NodeId


@dataclass(frozen=True)
class NodeGivenUp:
    """An admin removed the node. One that is out of reach for longer than the grace is given up at a `Ticked`."""

    node: NodeId


@dataclass(frozen=True)
class WorkerChanged:
    """The keeper's newest word on a worker: ready, or exited.

    `node` is where it was said; without it a worker the machine does not know cannot be told to stop.
    """

    report: WorkerReport
    node: NodeId | None = None


@dataclass(frozen=True)
class KeeperChanged:
    """The node's keeper died and another stands in its place: its workers are gone for certain."""

    node: NodeId
    keeper: str


@dataclass(frozen=True)
class Ticked:
    """Time passed; see `Machine.next_deadline`."""


RunEvent = RunStopRequested | RunInterruptRequested | RunEnded | RunRefused | LogFailed
NodeEvent = DevicesChanged | NodeDisconnected | NodeGivenUp | KeeperChanged
Event = (
    RunSubmitted | RunEvent | SessionStopRequested | SessionUsed | NodeConnected | NodeEvent | WorkerChanged | Ticked
)
