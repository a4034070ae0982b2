"""Which node this is: an id made once, the boot it runs in, and the lock that keeps a second agent out."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from farcell_host.locks import LockFile
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
    with LockFile(places.agent_lock) as lock:
        if not lock.take():
            raise _in_use(places, lock.facts().get("pid"))
        lock.sign()
        yield lock.is_in_place


def _in_use(places: Places, pid: object) -> DataDirectoryInUse:
    who = f"another agent (pid {pid})" if pid else "another agent"  # it has the lock and has not yet written its pid
    return DataDirectoryInUse(f"{who} uses {places.data}: stop it, or choose another --data", pid=pid)
