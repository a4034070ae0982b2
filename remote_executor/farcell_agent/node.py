"""Which node this is: an id made once, the boot it runs in, and the lock that keeps a second agent out."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from farcell_host.directories import is_still
from farcell_protocol.errors import DataDirectoryInUse
from farcell_protocol.ids import NodeId, is_id, new_node_id
from farcell_protocol.places import Places

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def node_id(file: Path) -> NodeId:
    """The id in `file`, made at the first call. A file that holds none (a torn write) is replaced."""
    try:
        text = file.read_text().strip()
    except FileNotFoundError:
        text = ""
    if is_id(text, "n"):
        return NodeId(text)
    made = new_node_id()
    new = file.with_suffix(".new")
    with open(new, "w") as out:
        out.write(made + "\n")
        out.flush()
        os.fsync(out.fileno())
    os.replace(new, file)
    return made


def boot_id() -> str:
    """Changes with every boot of the host; containers of one host share it, their keepers tell them apart."""
    return _BOOT_ID.read_text().strip()


@contextmanager
def agent_lock(places: Places) -> Iterator[Callable[[], bool]]:
    """Hold the data directory for this agent; the kernel lets go of it whatever ends the process.

    Yields what says whether it is still this directory: a keeper in another one is somebody else's.

    Raises:
        DataDirectoryInUse: another agent holds it; `pid` says which.
    """
    fd = os.open(places.agent_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _in_use(places, os.pread(fd, 4096, 0)) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps({"pid": os.getpid()}).encode(), 0)
        yield lambda: is_still(os.fstat(fd), places.agent_lock)
    finally:
        os.close(fd)


def _in_use(places: Places, text: bytes) -> DataDirectoryInUse:
    try:
        pid = int(json.loads(text)["pid"])
    except (ValueError, KeyError, TypeError):
        pid = 0  # it has the lock and has not yet written its pid
    who = f"another agent (pid {pid})" if pid else "another agent"
    return DataDirectoryInUse(f"{who} uses {places.data}: stop it, or choose another --data", pid=pid)
