"""How a process becomes the keeper: alone on its data directory, in its own session, reachable at its socket."""

import ctypes
import os
import resource
from contextlib import suppress
from pathlib import Path

from farcell_host import processes
from farcell_host.locks import LockFile
from farcell_keeper import journal
from farcell_protocol.errors import DataDirectoryInUse

_PR_SET_CHILD_SUBREAPER = 36
_DESCRIPTORS = 65_536
_LOG_BYTES = 16 * 2**20


def alone(path: Path) -> LockFile:
    """The lock of the one keeper on a data directory, held until the process ends.

    Raises:
        DataDirectoryInUse: another keeper holds it; `pid` says which.
    """
    lock = LockFile(path)
    if not lock.take():
        pid = lock.facts().get("pid")
        lock.close()
        raise DataDirectoryInUse(f"the keeper with pid {pid} holds {path}", pid=pid)
    return lock


def move_to_background(log: Path) -> None:
    """In a session of our own; everything said goes to `log`, which is begun anew when it is large."""
    with suppress(OSError):
        if log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    processes.move_to_background(written)
    os.close(written)


def become_subreaper() -> None:
    """Have orphans among our descendants become our children, so that supervisors are ours to wait for."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl(PR_SET_CHILD_SUBREAPER): {os.strerror(error)}")


def raise_descriptor_limit() -> None:
    """Three descriptors a worker, one a run: the usual 1024 are soon used up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError) as err:
            journal.note(f"cannot raise the limit of open files: {err}")
