"""`farcell stop`: executor, workers and keeper leave in time, or an error says which of them did not and what to do."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from farcell_executor.calls import Caller, find
from farcell_executor.lock import IN_USE
from farcell_host.locks import facts_in, holder, is_held, wait_until_free
from farcell_protocol.errors import ExecutorUnreachable, Unavailable
from farcell_protocol.messages.api import Stopped
from farcell_protocol.places import Places

_LAST_MOMENTS_S = 2.0


@dataclass(frozen=True)
class Patience:
    """How many seconds each step of a farewell may take."""

    answer_s: float = 30.0  # twice what an executor gives its workers to end
    leave_s: float = 20.0
    keeper_s: float = 10.0
    start_s: float = 20.0


def stop_here(
    where: Places,
    *,
    leave_workers: bool,
    dismiss_keeper: Callable[[Places], bool],
    patience: Patience = Patience(),
    caller: Caller | None = None,
) -> str:
    """Stop the executor that holds this data directory, with its workers and its keeper; says what was ended.

    Workers that outlived their executor are ended too: a successor adopts them first, so that their last
    output is kept and their runs end with a reason. `leave_workers` stops the executor alone.
    `dismiss_keeper` has a keeper leave that has nothing left, and answers whether it will.

    Raises:
        ExecutorUnreachable: there is nothing to stop.
        Unavailable: something did not leave in time; the text has its pid, how long that was, and what to do.
    """
    wait_until_free(where.start_lock, patience.start_s)  # a kernel may be starting one just now
    if not _is_there(where, patience):
        if leave_workers or not is_held(where.keeper_lock) or is_held(where.agent_lock):
            find(where, url=None, token=None)  # raises: none runs
        return f"no executor was running; {_stop_remains(where, dismiss_keeper, patience)}"
    return _stop_running(where, caller or find(where, url=None, token=None), leave_workers, patience)


def stop_there(caller: Caller, *, leave_workers: bool, patience: Patience = Patience()) -> str:
    """Stop an executor on a host that may not be this one; it has left when nobody answers any more.

    Raises:
        ExecutorUnreachable: nobody answers.
        Unavailable: it still answers after the time it has to leave.
    """
    said = caller.ask("POST", _path(leave_workers), Stopped, timeout_s=patience.answer_s)
    end = time.monotonic() + patience.leave_s
    while time.monotonic() < end:
        try:
            caller.ask("GET", "/status", object, timeout_s=patience.answer_s)
        except ExecutorUnreachable:
            return _words(said, leave_workers)
        time.sleep(0.1)  # over a network nobody tells when a process has ended
    raise Unavailable(
        f"the executor at {caller.address} still answers {patience.leave_s:g} s after it was told to leave:"
        " end its process on its own host",
        address=caller.address,
        waited_s=patience.leave_s,
    )


def _is_there(where: Places, patience: Patience) -> bool:
    """Whether an executor holds the data directory; one that is just starting is waited for."""
    end = time.monotonic() + patience.start_s
    while is_held(where.executor_lock):
        if holder(where.executor_lock).get("address"):
            return True
        if time.monotonic() > end:
            raise Unavailable(
                f"an executor has been starting on {where.data} for {patience.start_s:g} s and has not said where"
                f" it listens: {where.executor_log} says more, `fuser {where.executor_lock}` names its process",
                path=str(where.data),
                waited_s=patience.start_s,
            )
        time.sleep(0.01)
    return False


def _stop_running(where: Places, caller: Caller, leave_workers: bool, patience: Patience) -> str:
    pid = holder(where.executor_lock).get("pid")
    try:
        said = caller.ask("POST", _path(leave_workers), Stopped, timeout_s=patience.answer_s)
    except ExecutorUnreachable as err:
        if is_held(where.executor_lock):
            raise _stays("executor", pid, "did not answer", patience.answer_s, str(where.executor_log)) from err
        said = Stopped()  # it was leaving already
    if not wait_until_free(where.executor_lock, patience.leave_s):
        raise _stays("executor", pid, "was told to leave and has not", patience.leave_s, str(where.executor_log))
    if not leave_workers:
        _wait_for_keeper(where, patience)
    return _words(said, leave_workers)


def _stop_remains(where: Places, dismiss_keeper: Callable[[Places], bool], patience: Patience) -> str:
    """Of an executor that was killed, or left its workers behind."""
    if dismiss_keeper(where):
        _wait_for_keeper(where, patience)
        return "stopped its keeper"
    _start_successor(where, patience)
    _is_there(where, patience)
    return _stop_running(where, find(where, url=None, token=None), False, patience)


def _start_successor(where: Places, patience: Patience) -> None:
    """Have an executor there, whoever starts it: somebody else may do so at this very moment."""
    ready, said = os.pipe()
    command = [sys.executable, "-m", "farcell_executor", "--embedded", "--data", str(where.data)]
    process = subprocess.Popen(
        [*command, "--ready-fd", str(said)], pass_fds=(said,), stdin=subprocess.DEVNULL, start_new_session=True
    )
    os.close(said)
    with open(ready, "rb", buffering=0) as pipe:
        if select.select([pipe], [], [], patience.start_s)[0] and pipe.read(1):
            return
    if _exit_status(process) == IN_USE:
        return
    keeper = facts_in(where.keeper_lock).get("pid")
    raise Unavailable(
        f"workers are left of an earlier executor, and the one that should adopt and end them did not start within"
        f" {patience.start_s:g} s ({where.executor_log} says why): `kill -9 {keeper}` ends their keeper and them",
        keeper=keeper,
        waited_s=patience.start_s,
    )


def _exit_status(process: "subprocess.Popen[bytes]") -> int:
    """How it left; one that stays in spite of having failed is killed."""
    try:
        return process.wait(_LAST_MOMENTS_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _wait_for_keeper(where: Places, patience: Patience) -> None:
    if not wait_until_free(where.keeper_lock, patience.keeper_s):
        pid = facts_in(where.keeper_lock).get("pid")
        raise _stays("keeper", pid, "was told to leave and has not", patience.keeper_s, str(where.keeper_log))


def _stays(who: str, pid: object, what: str, seconds: float, log: str) -> Unavailable:
    then = "; `farcell stop` again then ends its workers" if who == "executor" else " and its workers"
    return Unavailable(
        f"the {who} (process {pid}) {what} for {seconds:g} s; {log} says more. `kill -9 {pid}` ends it{then}",
        pid=pid,
        waited_s=seconds,
        log=log,
    )


def _path(leave_workers: bool) -> str:
    return "/drain" if leave_workers else "/stop"


def _words(said: Stopped, leave_workers: bool) -> str:
    if leave_workers:
        return f"stopped; {_workers(said.left)} left running for the next executor" if said.left else "stopped"
    ended = f"stopped; {_workers(said.ended)} ended" if said.ended else "stopped"
    if said.left:
        return f"{ended}; {_workers(said.left)} out of reach: stopped when the agent there connects again"
    return ended


def _workers(count: int) -> str:
    return f"{count} worker{'' if count == 1 else 's'}"
