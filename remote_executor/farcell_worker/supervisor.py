"""The worker's own init: first process of its namespace, it waits for the main process and tells how it ended.

It forwards nothing and runs no code of a user's. With namespaces, its exit makes the kernel end whatever
is left. Without, it is the subreaper of its descendants and ends them itself; SIGTERM, which is also what it
asks for when the keeper dies, makes it do so at once.
"""

import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from farcell_protocol import framing
from farcell_protocol.messages.work import ExitStatus
from farcell_worker import isolation
from farcell_worker.descriptors import close_all_but


class _EndNow(BaseException):
    """Raised by SIGTERM in a supervisor without a namespace."""


def supervise(main: Callable[[], NoReturn], status_fd: int, oom_counter: str, *, isolated: bool) -> NoReturn:
    """Fork the main process, wait for its end, write it to the status pipe, and exit with nothing left behind."""
    before = isolation.oom_kills(oom_counter)
    try:
        _tie_to_keeper(isolated)
        if _nobody_reads(status_fd):
            os._exit(1)
        pid = os.fork()
        if pid == 0:
            main()
        close_all_but({status_fd})
        status = _wait_for(pid)
        # The main process often sees the keeper's end first: then the signal would come in the midst of the killing.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    except _EndNow:
        kill_descendants()
        os._exit(1)
    if not isolated:
        kill_descendants()
    _report(status_fd, status, before, isolation.oom_kills(oom_counter))
    os._exit(0)


def _tie_to_keeper(isolated: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if isolated:
        isolation.die_with_parent(signal.SIGKILL)
        return
    # SIGKILL would not reach the main process's children: nothing but this process knows them.
    signal.signal(signal.SIGTERM, _end_now)
    isolation.become_subreaper()
    isolation.die_with_parent(signal.SIGTERM)


def _end_now(_signum: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _EndNow


def _nobody_reads(pipe: int) -> bool:
    """The keeper died before the death signal was asked for: its end of the pipe is closed."""
    poll = select.poll()
    poll.register(pipe, 0)
    return any(event & select.POLLERR for _fd, event in poll.poll(0))


def _wait_for(main: int) -> int:
    while True:
        pid, status = os.wait()
        if pid == main:
            return status


def _report(status_fd: int, status: int, before: int | None, after: int | None) -> None:
    kills = after - before if before is not None and after is not None else None
    with suppress(OSError):
        os.write(status_fd, framing.encode(ExitStatus(status, kills)))


def kill_descendants() -> None:
    """SIGKILL to every descendant, again until there is none: one killed may have left children of its own."""
    while True:
        for pid in _descendants(os.getpid()):
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.wait()
        except ChildProcessError:
            return


def _descendants(root: int) -> list[int]:
    """All descendants, by one pass over /proc (the kernel need not offer lists of children)."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                # The name in brackets may hold spaces and brackets; the parent is the second field after it.
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(folder.name))
    found, queue = [], [root]
    while queue:
        queue = [child for pid in queue for child in children.get(pid, [])]
        found += queue
    return found
