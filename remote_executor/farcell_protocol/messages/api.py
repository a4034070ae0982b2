"""Client and executor: what is asked over REST (JSON) and the stream websocket (msgpack), and the answers.

Times are seconds since the epoch (UTC) as floats; durations end in `_s`.
"""

from typing import Literal

import msgspec

from farcell_protocol.errors import ErrorInfo
from farcell_protocol.frames import Outcome, Variables
from farcell_protocol.ids import DeviceId, NodeId, RunId, SessionId, TellId, TokenId, WorkerId

DEFAULT_SCALEDOWN_S = 300.0

RunState = Literal["queued", "starting", "running", "ended"]
SessionState = Literal["waiting", "starting", "ready", "ended"]


class Interpreter(msgspec.Struct, frozen=True):
    """The client's Python. The embedded node uses it itself; elsewhere only the version matters."""

    executable: str
    version: str


class RunRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A cell to run. The client chooses `run`, so the same request sent twice is one run.

    `kind` "comms" is no cell but what a living session's widgets say outside of cells: `expects` names the session,
    `run` is `ids.comms_run_of` it, there is no payload, and it ends with the session.

    `gpu` is a specification for `gpus.parse_gpus`. `notebook` names the notebook for its default session and
    for the panel; `session` names another session, shared by all of the user's notebooks; `once`
    releases the session at the end. `expects` is the session whose names the cell relies on: it is refused rather
    than run in another one. `payload` is an encoded `cells.Cell`. `title` is the first line
    of the source, for lists. `cwd` is used where the node shares the client's host.
    """

    run: RunId
    payload: bytes
    python: Interpreter
    gpu: str = ""
    notebook: str = ""
    cell_id: str = ""
    session: str = ""
    once: bool = False
    timeout_s: float | None = None
    scaledown_window_s: float = DEFAULT_SCALEDOWN_S
    title: str = ""
    cwd: str = ""
    kind: Literal["cell", "comms"] = "cell"
    expects: SessionId | None = None


class WorkerView(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a run executes. `pid` is as the host sees it; `pid_namespace` is the inode of the worker's
    own pid namespace, which is the host's own where it could not be isolated (`isolation` "none").
    `started_by` is "fork" (from the zygote) or "fresh" (with `fallback`: why it could not be forked)."""

    worker: WorkerId
    node: NodeId
    node_name: str
    devices: list["DeviceView"] = []
    pid: int | None = None
    pid_namespace: int | None = None
    isolation: str = ""
    started_by: str = ""
    fallback: str = ""


class RunView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A run as its owner sees it.

    `why` says in one sentence why it waits ("waiting for an H100: 2 in use, 3rd in line") or how it
    ended; `place` is its place in the queue from 1; `frames` is how many are in its log;
    `owner` is the user whose it is.
    """

    run: RunId
    session: SessionId
    state: RunState
    title: str
    gpu: str
    notebook: str
    cell_id: str
    created: float
    why: str = ""
    place: int | None = None
    started: float | None = None
    ended: float | None = None
    outcome: Outcome | None = None
    reason: ErrorInfo | None = None
    frames: int = 0
    worker: WorkerView | None = None
    owner: str = ""


class SessionView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A session as its owner sees it. `expires` is when it will be released if nothing runs in it;
    null while something does. `reason` is set once it has ended. `variables` are those of the newest cell that has
    ended and told them."""

    session: SessionId
    name: str
    notebook: str
    gpu: str
    state: SessionState
    created: float
    why: str = ""
    expires: float | None = None
    reason: ErrorInfo | None = None
    worker: WorkerView | None = None
    running: RunId | None = None
    queued: int = 0
    variables: Variables | None = None


class DeviceView(msgspec.Struct, frozen=True, omit_defaults=True):
    """One GPU. A simulated one is executed on the CPU and says so wherever it is shown."""

    device: DeviceId
    node: NodeId
    model: str
    index: int
    memory_bytes: int | None = None
    simulated: bool = False
    session: SessionId | None = None
    trouble: str = ""


class NodeView(msgspec.Struct, frozen=True, omit_defaults=True):
    """One GPU host: "connected", or "unknown" since `last_seen` (its runs may well go on)."""

    node: NodeId
    name: str
    state: Literal["connected", "unknown"]
    embedded: bool
    last_seen: float
    python: str = ""
    devices: list[DeviceView] = []
    notes: list[str] = []


class ExecutorView(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who answers here. `version` is farcell's; `data_directory` and `pid` are for admins."""

    version: str
    protocol: int
    oldest_protocol: int
    started: float
    draining: bool = False
    pid: int | None = None
    data_directory: str = ""
    idle_exit_s: float | None = None


class Stopped(msgspec.Struct, frozen=True, omit_defaults=True):
    """An executor is leaving: how many workers it ended, and how many it leaves behind, on purpose or out of reach."""

    ended: int = 0
    left: int = 0


class Simulate(msgspec.Struct, frozen=True):
    """Declare simulated devices on the embedded node, in the form of `--simulate H100:2`."""

    gpus: str


class TokenRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Make a token for `user` with a scope; `expires_s` from now, or never. An agent's token speaks for `node`, or
    for the first node that uses it."""

    user: str
    scope: Literal["user", "admin", "agent"]
    note: str = ""
    expires_s: float | None = None
    node: NodeId | None = None


class TokenView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A token without its secret. `secret` is set once, in the answer that made it."""

    token: TokenId
    user: str
    scope: Literal["user", "admin", "agent"]
    note: str
    created: float
    expires: float | None = None
    revoked: float | None = None
    secret: str | None = None
    node: NodeId | None = None


# ---- the stream websocket, /v1/stream: one per client, many runs on it -------------------------------


class Submit(msgspec.Struct, frozen=True, tag="submit"):
    """Run this, and follow it from the start."""

    request: RunRequest


class Follow(msgspec.Struct, frozen=True, tag="follow"):
    """Send me this run's frames after number `after`, and its changes of state."""

    run: RunId
    after: int = 0


class Unfollow(msgspec.Struct, frozen=True, tag="unfollow"):
    """Send me no more of this run. It goes on."""

    run: RunId


class Interrupt(msgspec.Struct, frozen=True, tag="interrupt"):
    """SIGINT for this run's code; nothing if it has ended."""

    run: RunId


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Stop this run: SIGINT, then SIGTERM and SIGKILL for its whole process tree, `grace_s` apart."""

    run: RunId
    grace_s: float = 2.0


class Tell(msgspec.Struct, frozen=True, tag="tell"):
    """Something for a run that executes: an encoded `cells.Told`. It may get lost on the way: send it again, under
    the same id, until a `Heard` frame of the run names it or the run has ended."""

    run: RunId
    tell: TellId
    payload: bytes


class Watch(msgspec.Struct, frozen=True, tag="watch"):
    """Tell me of all nodes, sessions and runs that I may see, and of every change; asked again, all of it again."""


class Unwatch(msgspec.Struct, frozen=True, tag="unwatch"):
    """Tell me no more of what I do not follow."""


FromClient = Submit | Follow | Unfollow | Interrupt | Cancel | Tell | Watch | Unwatch


class RunChanged(msgspec.Struct, frozen=True, tag="changed"):
    """A followed run's state, on following it and whenever it changes; "ended" comes after its last frame."""

    view: RunView


class RunFrames(msgspec.Struct, frozen=True, tag="frames"):
    """Frames of a followed run, numbered from `first`; each is an encoded `frames.Frame`."""

    run: RunId
    first: int
    frames: list[msgspec.Raw]


class Fleet(msgspec.Struct, frozen=True, tag="fleet", omit_defaults=True):
    """What a watching client may see of nodes, sessions and runs: all nodes; of sessions and runs the client's own, an
    admin everybody's. `whole` says that this is all: the nodes, the living sessions, the living runs and the
    newest ended ones. Otherwise it is what changed since, each in place of the one with the same id; whatever ends
    comes once more with state "ended". `frames` of a run is no news by itself. `user` comes with the
    whole: whose token it is that watches."""

    nodes: list[NodeView] = []
    sessions: list[SessionView] = []
    runs: list[RunView] = []
    whole: bool = False
    user: str = ""


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """What was asked cannot be done; `run` is null when the message itself was wrong."""

    run: RunId | None
    error: ErrorInfo


ToClient = RunChanged | RunFrames | Fleet | Refused
