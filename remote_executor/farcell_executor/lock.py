"""The lock on a data directory: one executor at a time, found by others through what the lock file says."""

from collections.abc import Iterator
from contextlib import contextmanager

from farcell_host.locks import LockFile
from farcell_protocol.errors import DataDirectoryInUse
from farcell_protocol.places import Places

IN_USE = 75
"""The exit status of an executor that finds another on its data directory: EX_TEMPFAIL of sysexits.h."""


@contextmanager
def data_lock(places: Places) -> Iterator[LockFile]:
    """Hold the data directory for as long as the context, or the process, lasts. Sign it with address and version.

    Raises:
        DataDirectoryInUse: another executor does; the error names its pid and address.
    """
    with LockFile(places.executor_lock) as lock:
        if not lock.take():
            raise _in_use(places, lock.facts())
        yield lock


def _in_use(places: Places, holder: dict[str, object]) -> DataDirectoryInUse:
    pid, address = holder.get("pid"), holder.get("address")
    who = f"process {pid} at {address}" if pid else "another process, which is just starting"
    return DataDirectoryInUse(
        f"the data directory {places.data} is in use by the executor of {who}: use that one, stop it with"
        f" `farcell stop`, or choose another directory with --data",
        pid=pid,
        address=address,
        path=str(places.data),
    )
