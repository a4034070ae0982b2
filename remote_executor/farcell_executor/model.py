"""The nouns, as frozen data: run, session, worker, node, device, token. `docs/states.md` draws their states.

Times are wall-clock seconds since the epoch (UTC). Whatever needs a duration measures it on the
monotonic clock at the edge and hands the machine `now` from there.
"""

from dataclasses import dataclass
from enum import StrEnum

from farcell_protocol.errors import ErrorInfo
from farcell_protocol.frames import Outcome
from farcell_protocol.ids import DeviceId, NodeId, RunId, SessionId, TokenId, WorkerId
from farcell_protocol.messages.api import RunRequest


class RunState(StrEnum):
    """Where a run is. Only `ENDED` is final."""

    QUEUED = "queued"  # waits for its session's worker, or for its turn in the session
    STARTING = "starting"  # its session's worker is being started
    RUNNING = "running"  # handed to the worker
    ENDED = "ended"


class SessionState(StrEnum):
    """Where a session is. Only `ENDED` is final."""

    WAITING = "waiting"  # for devices
    STARTING = "starting"
    READY = "ready"
    ENDED = "ended"


class WorkerState(StrEnum):
    """Where a worker is. Only `GONE` is final."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    GONE = "gone"


class NodeState(StrEnum):
    """A node whose heartbeat is missed is unknown, not dead."""

    CONNECTED = "connected"
    UNKNOWN = "unknown"
    GONE = "gone"


@dataclass(frozen=True)
class Run:
    """One request to execute. `why` is for people, `reason` for programs; both are stored before what follows.

    `outcome` is set before the state is `ENDED` when it was decided here rather than by the worker: the
    run is then *ending*, and ended once its `End` frame is in the log (`ending` tells the two apart).
    """

    id: RunId
    owner: str
    session: SessionId
    request: RunRequest
    state: RunState
    created: float
    why: str = ""
    worker: WorkerId | None = None
    started: float | None = None
    ended: float | None = None
    outcome: Outcome | None = None
    reason: ErrorInfo | None = None
    stop_reason: ErrorInfo | None = None  # a cancel or time-out under way: how it will end
    force_at: float | None = None  # when the next, harsher step of a stop is due
    grace_s: float = 2.0  # between the steps of a stop

    @property
    def aside(self) -> bool:
        """It carries its session's comms: it runs beside the cells and occupies nobody."""
        return self.request.kind == "comms"

    @property
    def ending(self) -> bool:
        """Its end is decided and its `End` frame asked for, but not yet known to be in the log."""
        return self.outcome is not None and self.state is not RunState.ENDED


@dataclass(frozen=True)
class PrunedRun:
    """All that is left of a run that ended long ago: whose it was, and when it ended and was pruned."""

    id: RunId
    owner: str
    ended: float
    pruned: float


@dataclass(frozen=True)
class Session:
    """A worker kept with its namespace and devices between runs.

    `key` finds the default or named session again for its owner while it lives. `gpu` is canonical
    (`str(GpuSpec)`). `python` is the version, `executable` the client's own interpreter, which only a
    node on the client's host can use. `idle_since` is set while nothing runs or waits in a ready session.
    """

    id: SessionId
    owner: str
    key: str
    name: str
    notebook: str
    gpu: str
    python: str
    once: bool
    scaledown_window_s: float
    state: SessionState
    created: float
    why: str = ""
    worker: WorkerId | None = None
    idle_since: float | None = None
    ended: float | None = None
    reason: ErrorInfo | None = None
    executable: str = ""
    cwd: str = ""


@dataclass(frozen=True)
class Worker:
    """The process tree of a session on a node, and the devices it holds until it is gone for certain."""

    id: WorkerId
    session: SessionId
    node: NodeId
    devices: tuple[DeviceId, ...]
    state: WorkerState
    created: float
    pid: int | None = None
    start_ticks: int | None = None
    pid_namespace: int | None = None
    isolation: str = ""
    started_by: str = ""
    fallback: str = ""
    reason: ErrorInfo | None = None


@dataclass(frozen=True)
class Device:
    """One GPU of a node; `trouble` keeps it from being handed out."""

    id: DeviceId
    node: NodeId
    model: str
    index: int
    memory_bytes: int | None = None
    simulated: bool = False
    trouble: str = ""


@dataclass(frozen=True)
class Node:
    """A GPU host. Its identity is `id` with `boot_id`; `keeper` tells one keeper's life from the next."""

    id: NodeId
    boot_id: str
    keeper: str
    name: str
    embedded: bool
    python: str
    state: NodeState
    last_seen: float
    devices: tuple[Device, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Token:
    """A bearer token: only the SHA-256 of its secret is kept (the secret has 256 random bits).

    An agent's token speaks for one `node`: the one given when it was made, else the first that uses it.
    """

    id: TokenId
    digest: bytes
    user: str
    scope: str
    note: str
    created: float
    expires: float | None = None
    revoked: float | None = None
    node: NodeId | None = None
