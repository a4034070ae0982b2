"""From one process to a worker's tree: intermediate, supervisor, main process.

The steps, in order, each for a reason found by trial:

1. an intermediate process joins the cgroups and unshares (only its *children* are in the new pid namespace);
2. it forks the supervisor, which becomes pid 1 there and mounts /proc;
3. it exits and is reaped, so the supervisor's parent is now the keeper (a subreaper);
4. only then the supervisor asks to die with its parent, and forks the main process.

Where the kernel allows no namespaces, the same steps are done without, and the reason is kept.
"""

import os
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal, NoReturn

import msgspec

from farcell_protocol.errors import WorkerNotStarted
from farcell_protocol.messages.work import Fork
from farcell_worker import isolation
from farcell_worker.descriptors import close_all_but
from farcell_worker.supervisor import supervise


@dataclass(frozen=True)
class Order:
    """A worker to start: what was asked, the two descriptors, and how it is being started."""

    fork: Fork
    worker_fd: int
    status_fd: int
    started_by: Literal["fork", "fresh"]
    isolated: bool = True
    why_not: str = ""


Main = Callable[[Order], NoReturn]
"""The main process of the worker; never returns."""


class _Answer(msgspec.Struct, omit_defaults=True):
    """What the intermediate says: the supervisor's pid, or why there is none."""

    pid: int = 0
    failed: str = ""
    not_isolated: str = ""


def launch(order: Order, main: Main) -> int:
    """Start a worker and return its supervisor's pid; the caller's copies of the two descriptors stay open.

    Raises:
        WorkerNotStarted: a cgroup could not be joined, or a process could not be made.
    """
    answer = _launch_once(order, main)
    if answer.not_isolated:
        answer = _launch_once(replace(order, isolated=False, why_not=answer.not_isolated), main)
    if answer.failed or not answer.pid:
        raise WorkerNotStarted(f"the worker could not be forked: {answer.failed or 'its parent died'}")
    return answer.pid


def _launch_once(order: Order, main: Main) -> _Answer:
    answer_fd, answer_end = os.pipe()
    gate_end, gate_fd = os.pipe()
    try:
        pid = os.fork()
        if pid == 0:
            _never_return(lambda: _intermediate(order, main, answer_end, gate_end))
        os.close(answer_end)
        answer = _read_answer(answer_fd)
        os.waitpid(pid, 0)
        return answer
    finally:
        # Closing the gate is what lets the supervisor go on: the intermediate has been reaped.
        for fd in (answer_fd, gate_end, gate_fd):
            os.close(fd)


def _read_answer(fd: int) -> _Answer:
    data = b""
    while not data.endswith(b"\n"):
        piece = os.read(fd, 4096)
        if not piece:
            return _Answer()
        data += piece
    return msgspec.json.decode(data, type=_Answer)


def _intermediate(order: Order, main: Main, answer_end: int, gate_end: int) -> None:
    close_all_but({order.worker_fd, order.status_fd, answer_end, gate_end})
    answer = _Answer()
    try:
        isolation.join_cgroups(order.fork.cgroup_procs)
        answer = _fork_supervisor(_unshared(order), main, answer_end, gate_end)
    except OSError as err:
        answer = _Answer(failed=str(err))
    os.write(answer_end, msgspec.json.encode(answer) + b"\n")


def _unshared(order: Order) -> Order:
    if not order.isolated:
        return order
    try:
        isolation.unshare()
    except OSError as err:
        return replace(order, isolated=False, why_not=str(err))
    return order


def _fork_supervisor(order: Order, main: Main, answer_end: int, gate_end: int) -> _Answer:
    mounted_fd, mounted_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(answer_end)
        os.close(mounted_fd)
        _never_return(lambda: _supervisor(order, main, mounted_end, gate_end))
    os.close(mounted_end)
    why_not = os.read(mounted_fd, 4096).decode()
    if why_not != "mounted":
        os.waitpid(pid, 0)
        return _Answer(not_isolated=why_not or "the first process of the namespace died")
    return _Answer(pid)


def _supervisor(order: Order, main: Main, mounted_end: int, gate_end: int) -> None:
    if order.isolated:
        try:
            isolation.mount_proc()
        except OSError as err:
            os.write(mounted_end, str(err).encode())
            return
    os.setsid()
    os.write(mounted_end, b"mounted")
    os.close(mounted_end)
    os.read(gate_end, 1)
    os.close(gate_end)
    supervise(lambda: _main(order, main), order.status_fd, order.fork.oom_counter, isolated=order.isolated)


def _main(order: Order, main: Main) -> NoReturn:
    os.close(order.status_fd)
    _never_return(lambda: main(order))


def _never_return(body: Callable[[], None]) -> NoReturn:
    """A forked process must not run on into its parent's code, whatever happens."""
    code = 1
    try:
        body()
        code = 0
    except BaseException:
        with suppress(Exception):
            os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)
