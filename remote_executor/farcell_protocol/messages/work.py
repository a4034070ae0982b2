"""Keeper, zygote and worker: forking a worker, giving it work, and what it says.

A worker has one Unix stream socket to its keeper. The keeper makes both ends and hands the worker's
end, with the write end of the status pipe, to the zygote with the `Fork` message (SCM_RIGHTS, in
that order); a fresh process inherits them.
"""

import signal
from typing import Literal

import msgspec

from farcell_protocol.errors import ErrorInfo
from farcell_protocol.ids import RunId, TellId, WorkerId

# ---- keeper to zygote, and back ------------------------------------------------------------------


class Fork(msgspec.Struct, frozen=True, tag="fork"):
    """Make a worker. `cgroup_procs` are files to write a pid into before anything of a user's runs."""

    worker: WorkerId
    cwd: str
    env: dict[str, str]
    cgroup_procs: list[str] = []
    oom_counter: str = ""


class ZygoteReady(msgspec.Struct, frozen=True, tag="zygote-ready"):
    """Warm: it can fork."""

    pid: int
    python: str


class Forked(msgspec.Struct, frozen=True, tag="forked"):
    """The supervisor (the worker's init) runs as `pid`, seen from the keeper, and is now the keeper's child."""

    worker: WorkerId
    pid: int


class ForkRefused(msgspec.Struct, frozen=True, tag="fork-refused"):
    """The zygote may not fork (a second thread, a foreign socket, an impure module): start a fresh process."""

    worker: WorkerId
    why: str


ToZygote = Fork
FromZygote = ZygoteReady | Forked | ForkRefused


class ExitStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a worker's main process ended, as its supervisor saw it: `wait_status` is what waitpid gave.
    `oom_kills` is by how much its cgroup's out-of-memory counter rose, null without a counter."""

    wait_status: int
    oom_kills: int | None = None


# ---- keeper to worker, and back ------------------------------------------------------------------

NUDGE = signal.SIGURG
"""Follows an interrupt and means nothing, but ends a system call that began just after Python had looked for signals
and before it could see the interrupt. Ignored by default, so it harms no process that is not a worker."""


class Work(msgspec.Struct, frozen=True, tag="work", omit_defaults=True):
    """Execute this. Sent when the run before has ended: a signal cannot say which run it is for.

    `aside`: nothing is to be executed, the session's comms are this run from now on; sent at once.
    """

    run: RunId
    payload: bytes
    aside: bool = False


class Tell(msgspec.Struct, frozen=True, tag="tell"):
    """Something for a run that executes: an encoded `cells.Told`. The same id again is heard but not obeyed."""

    run: RunId
    tell: TellId
    payload: bytes


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The worker is ready for work. `pid` is its own view; `isolation` is "namespaces" or "none" with `why_not`."""

    worker: WorkerId
    pid: int
    pid_namespace: int
    python: str
    isolation: Literal["namespaces", "none"]
    started_by: Literal["fork", "fresh"]
    why_not: str = ""


class Began(msgspec.Struct, frozen=True, tag="began"):
    """From here SIGINT is for this run; one sent earlier would be for nobody."""

    run: RunId


class Output(msgspec.Struct, frozen=True, tag="output"):
    """Frame `n` of a run; `end` says it is the `End`. `frame` is an encoded `frames.Frame`, opened only by
    whoever follows the run."""

    run: RunId
    n: int
    frame: msgspec.Raw
    end: bool = False


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The worker could not get ready."""

    worker: WorkerId
    error: ErrorInfo


ToWorker = Work | Tell
FromWorker = Hello | Began | Output | Failed
