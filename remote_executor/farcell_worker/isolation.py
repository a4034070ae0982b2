"""What the kernel is asked for, once each, so that a worker is a process tree of its own.

Only system calls: who calls them, and in which order, is in `launch` and `supervisor`.
"""

import ctypes
import os
import signal
import struct
from pathlib import Path

_CLONE_NEWNS = 0x0002_0000
_CLONE_NEWUSER = 0x1000_0000
_CLONE_NEWPID = 0x2000_0000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 2, 4, 8
_MS_REC, _MS_PRIVATE = 0x4000, 0x4_0000
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_CAPABILITY_VERSION_3 = 0x2008_0522

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def unshare() -> None:
    """New pid and mount namespaces for the children of this process; an ordinary user gets a user namespace as well.

    Raises:
        OSError: not allowed here, in which case nothing has changed.
    """
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        _check(_libc.unshare(_CLONE_NEWPID | _CLONE_NEWNS), "unshare(pid, mount)")
        return
    _check(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWPID | _CLONE_NEWNS), "unshare(user, pid, mount)")
    # The kernel wants `deny` before a group may be mapped by an ordinary user.
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def mount_proc() -> None:
    """A fresh /proc for the first process of a new pid namespace; nobody outside sees the mount.

    Raises:
        OSError: the kernel refuses, as it does where parts of the outer /proc are hidden.
    """
    _check(_libc.mount(None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None), "making / private")
    flags = ctypes.c_ulong(_MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    _check(_libc.mount(b"proc", b"/proc", b"proc", flags, None), "mounting /proc")


def die_with_parent(signum: signal.Signals = signal.SIGKILL) -> None:
    """Get `signum` when the parent dies. Must be called after the last change of parent: the signal follows
    the *immediate* parent, so one set too early comes when an intermediate process exits."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, int(signum), 0, 0, 0), "prctl(PDEATHSIG)")


def become_subreaper() -> None:
    """Orphans among the descendants become children of this process rather than of pid 1."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl(SUBREAPER)")


def drop_capabilities() -> None:
    """Give up what making a user namespace gave; an ordinary user has nothing else to lose."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(header, bytes(24)), "capset")


def pid_namespace() -> int:
    """The number of this process's pid namespace, the same inside and outside."""
    return os.stat("/proc/self/ns/pid").st_ino


def join_cgroups(files: list[str]) -> None:
    """Move this process, and so its children to come, into the cgroups of these `cgroup.procs` files.

    Raises:
        OSError: one is missing or not writable.
    """
    for file in files:
        Path(file).write_text("0")  # the writer itself, in every version of cgroups


def oom_kills(counter: str) -> int | None:
    """How often the out-of-memory killer struck in the cgroup whose counter file this is; null when unknown."""
    if not counter:
        return None
    try:
        lines = Path(counter).read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)
