"""What an executor does whose data directory is deleted or replaced under it: nobody can find it there any more."""

import asyncio
import logging

from farcell_executor.executor import Executor
from farcell_host.locks import LockFile
from farcell_protocol.errors import DiskFailed

LOOK_S = 2.0
"""How often it is looked whether the lock file is there."""

log = logging.getLogger(__name__)


async def leave_when_gone(executor: Executor, lock: LockFile, look_s: float = LOOK_S) -> None:
    """End all runs with the reason, and leave, once others would not find the lock; return then."""
    while lock.is_in_place():  # noqa: ASYNC110  # a lock file tells nobody that it goes
        await asyncio.sleep(look_s)
    folder = lock.path.parent
    log.error("%s was deleted or replaced: ending all runs and leaving", folder)
    reason = DiskFailed(
        f"the data directory {folder} was deleted or replaced while its executor ran, which has ended;"
        " the next cell starts another",
        path=str(folder),
    )
    await executor.stop(reason.info(), for_good=False)
