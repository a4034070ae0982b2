"""An executor whose data directory, or whose socket, is deleted or replaced under it: nobody would find it there."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable

from farcell_executor.executor import Executor
from farcell_host.door import Door
from farcell_host.locks import LockFile
from farcell_protocol.errors import DirectoryNotOurs, DiskFailed

LOOK_S = 2.0
"""How often it is looked whether the lock file and the socket are there."""

ListenAt = Callable[[socket.socket], Awaitable[None]]

log = logging.getLogger(__name__)


async def stay_reachable(
    executor: Executor, lock: LockFile, door: Door, listen_at: ListenAt, look_s: float = LOOK_S
) -> None:
    """Have the socket made anew when it is gone. Once others would not find the lock, end all runs with the reason,
    leave and return."""
    said = ""
    while lock.is_in_place():
        said = await _mend(door, listen_at, said)
        await asyncio.sleep(look_s)
    folder = lock.path.parent
    log.error("%s was deleted or replaced: ending all runs and leaving", folder)
    reason = DiskFailed(
        f"the data directory {folder} was deleted or replaced while its executor ran, which has ended;"
        " the next cell starts another",
        path=str(folder),
    )
    await executor.stop(reason.info(), for_good=False)


async def _mend(door: Door, listen_at: ListenAt, said: str) -> str:
    """What was said of it, once rather than at every look."""
    try:
        listener = door.mend()
    except (OSError, DirectoryNotOurs) as err:
        trouble = f"{door.path} is gone and cannot be made anew yet: {err}"
        if trouble != said:
            log.error("%s", trouble)
        return trouble
    if listener is not None:
        await listen_at(listener)
        log.warning("%s had been removed, and is there again", door.path)
    return ""
