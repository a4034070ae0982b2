"""Agent and keeper, and the part of it that passes unchanged between executor and agent.

A keeper serves one agent connection at a time: a new one takes over from the old. Everything here may be
said again after a reconnect; ids make the repetition harmless.
"""

from typing import Literal

import msgspec

from farcell_protocol.errors import ErrorInfo
from farcell_protocol.ids import DeviceId, RunId, TellId, WorkerId


class ProcessSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """How to start a worker: by which interpreter, where, with what environment and limits.

    `env` is added to the keeper's own. `devices` and `label` are kept with the worker, so that an
    agent that lost its memory can claim its devices again."""

    interpreter: str
    cwd: str
    env: dict[str, str] = {}
    memory_bytes: int | None = None
    devices: list[DeviceId] = []
    label: str = ""


# ---- to the keeper ------------------------------------------------------------------------------


class Greet(msgspec.Struct, frozen=True, tag="greet"):
    """The first message of an agent."""

    protocol: int
    oldest: int
    pid: int


class WarmUp(msgspec.Struct, frozen=True, tag="warm-up"):
    """Have a zygote of this interpreter ready."""

    interpreter: str


class Launch(msgspec.Struct, frozen=True, tag="launch"):
    """Start this worker; at most one ever exists for an id."""

    worker: WorkerId
    spec: ProcessSpec


class Execute(msgspec.Struct, frozen=True, tag="execute", omit_defaults=True):
    """Run this in that worker and send its frames; a run id is executed at most once. `aside` says that it is the
    session's comms: handed over at once, and never what the worker is said to be running."""

    worker: WorkerId
    run: RunId
    payload: bytes
    aside: bool = False


class Tell(msgspec.Struct, frozen=True, tag="tell"):
    """Hand this to a run that executes in that worker; dropped if it does not, or if it has ended."""

    worker: WorkerId
    run: RunId
    tell: TellId
    payload: bytes


class Resume(msgspec.Struct, frozen=True, tag="resume"):
    """Send this run's frames after number `after` (a run just executed is sent without asking)."""

    run: RunId
    after: int


class Ack(msgspec.Struct, frozen=True, tag="ack"):
    """Frames up to `n` are on the other side's disk. With the end among them the spool is dropped."""

    run: RunId
    n: int


class SendInterrupt(msgspec.Struct, frozen=True, tag="send-interrupt"):
    """SIGINT to the worker if this very run is executing in it."""

    worker: WorkerId
    run: RunId


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """End the worker and all its processes: SIGTERM, then SIGKILL after `grace_s`. `reason` is how its
    unfinished runs then end."""

    worker: WorkerId
    grace_s: float
    reason: ErrorInfo | None = None


class Forget(msgspec.Struct, frozen=True, tag="forget"):
    """The worker's exit has been recorded: drop what is kept of it."""

    worker: WorkerId


class Quit(msgspec.Struct, frozen=True, tag="quit"):
    """Leave as soon as there is no worker left."""


ToKeeper = Greet | WarmUp | Launch | Execute | Tell | Resume | Ack | SendInterrupt | Stop | Forget | Quit

# ---- from the keeper ----------------------------------------------------------------------------


class RunReport(msgspec.Struct, frozen=True):
    """What the keeper has of a run: frames up to `last`, dropped up to `acknowledged`."""

    run: RunId
    worker: WorkerId
    last: int
    acknowledged: int
    ended: bool


class Exit(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a worker ended, in plain words and numbers: `error` is a `RunFailure` by code.
    `expected` says that a `Stop` had been asked for."""

    error: ErrorInfo
    expected: bool = False
    exit_code: int | None = None
    signal: int | None = None


class WorkerReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the keeper has of a worker. `pid` is the worker's main process as the host sees it, with its
    start time in clock ticks since boot (`start_ticks`), so that a pid used again is never taken for it."""

    worker: WorkerId
    state: Literal["starting", "ready", "exited"]
    spec: ProcessSpec
    pid: int | None = None
    start_ticks: int | None = None
    pid_namespace: int | None = None
    isolation: str = ""
    started_by: str = ""
    fallback: str = ""
    python: str = ""
    running: RunId | None = None
    exit: Exit | None = None


class Welcome(msgspec.Struct, frozen=True, tag="welcome"):
    """The answer to `Greet`: who the keeper is and everything it keeps."""

    protocol: int
    pid: int
    started: float
    workers: list[WorkerReport]
    runs: list[RunReport]


class WorkerChanged(msgspec.Struct, frozen=True, tag="worker"):
    """A worker became ready or ended; of a run's frames, the end has then already been sent."""

    report: WorkerReport


class Frames(msgspec.Struct, frozen=True, tag="frames"):
    """Frames of a run, numbered from `first`; `end` says that the last of them is its `End`."""

    run: RunId
    first: int
    frames: list[msgspec.Raw]
    end: bool = False


class KeeperRefused(msgspec.Struct, frozen=True, tag="refused"):
    """A message could not be obeyed."""

    error: ErrorInfo
    worker: WorkerId | None = None
    run: RunId | None = None


FromKeeper = Welcome | WorkerChanged | Frames | KeeperRefused
