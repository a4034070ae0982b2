"""How a process becomes the keeper: alone on its data directory, in its own session, reachable at its socket."""

import ctypes
import os
import resource
import socket
import sys
from contextlib import suppress
from pathlib import Path

from farcell_host.locks import LockFile
from farcell_keeper import journal
from farcell_protocol.errors import DataDirectoryInUse
from farcell_protocol.places import Places

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


def close_inherited(keep: set[int]) -> None:
    """Close every descriptor but the standard streams and `keep`: ours must not hold open what others wait for."""
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd > 2 and fd not in keep:
            with suppress(OSError):
                os.close(fd)


def move_to_background(log: Path) -> None:
    """An own session, no standard input, and everything said goes to `log`, which is begun anew when it is large."""
    with suppress(PermissionError):  # it leads a session or a group already
        os.setsid()
    with suppress(OSError):
        if log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
    nothing = os.open(os.devnull, os.O_RDONLY)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    sys.stdout.flush()
    os.dup2(nothing, 0)
    os.dup2(written, 1)
    os.dup2(written, 2)
    os.close(nothing)
    os.close(written)
    # Python puts the start folder first on the path of what we execute with -m: nobody's notebooks may lie there.
    os.chdir("/")


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


def listen(places: Places) -> socket.socket:
    """The keeper's socket, mode 0600. A stale one is replaced, which is safe because we hold the lock."""
    places.keeper_socket.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(places.keeper_socket))
    finally:
        os.umask(before)
    listener.listen(64)
    return listener
