"""The lock on a data directory: one executor at a time, found by others through what the lock file says."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from farcell_host.directories import is_still
from farcell_protocol.errors import DataDirectoryInUse
from farcell_protocol.places import Places

IN_USE = 75
"""The exit status of an executor that finds another on its data directory: EX_TEMPFAIL of sysexits.h."""


class DataLock:
    """The held lock. Its text names the holder: pid, address and version, as JSON."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self.path = path

    def is_in_place(self) -> bool:
        """Whether others find it at its path: else the data directory was deleted or replaced, and with it we are."""
        return is_still(os.fstat(self._descriptor), self.path)

    def write(self, *, address: str, version: str) -> None:
        """Say who holds it, in one write: whoever reads meanwhile sees the old text or the new."""
        text = json.dumps({"pid": os.getpid(), "address": address, "version": version}) + "\n"
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text.encode(), 0)


@contextmanager
def data_lock(places: Places) -> Iterator[DataLock]:
    """Hold the data directory for as long as the context, or the process, lasts.

    Raises:
        DataDirectoryInUse: another executor does; the error names its pid and address.
    """
    descriptor = os.open(places.executor_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _in_use(places) from None
        yield DataLock(descriptor, places.executor_lock)
    finally:
        os.close(descriptor)


def lock_holder(places: Places) -> dict[str, Any]:
    """What the executor that holds the lock wrote there; empty when none does, or it has not written yet."""
    try:
        descriptor = os.open(places.executor_lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return {}
    with os.fdopen(descriptor) as file:
        return {} if _try_to_share(descriptor) else _read(file.read())


def wait_until_free(lock: Path, deadline_s: float) -> bool:
    """Whether nobody holds `lock`, a file that a process locks while it lives, or lets go of it in time."""
    end = time.monotonic() + deadline_s
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    with os.fdopen(descriptor):
        while not _try_to_share(descriptor):
            if time.monotonic() > end:
                return False
            time.sleep(0.01)  # a lock that is waited for in the kernel knows no deadline
    return True


def _try_to_share(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _in_use(places: Places) -> DataDirectoryInUse:
    with open(places.executor_lock) as file:
        holder = _read(file.read())
    pid, address = holder.get("pid"), holder.get("address")
    who = f"process {pid} at {address}" if pid else "another process, which is just starting"
    return DataDirectoryInUse(
        f"the data directory {places.data} is in use by the executor of {who}: use that one, stop it with"
        f" `farcell stop`, or choose another directory with --data",
        pid=pid,
        address=address,
        path=str(places.data),
    )


def _read(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
