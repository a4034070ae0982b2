"""What the disk or SQLite says, as an error of ours."""

import errno
import shutil
import sqlite3
from pathlib import Path

from farcell_protocol.errors import DiskFull, FarcellError, StoreError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def store_failure(path: Path, err: Exception) -> FarcellError:
    """Why the database at `path` cannot be used: `DiskFull` where only room is missing, else `StoreError`."""
    cause = getattr(err, "orig", None) or err
    if _is_no_room(cause):
        free = _free_bytes(path)
        left = "" if free is None else f" ({free:,} bytes are left)"
        return DiskFull(
            f"no room for {path}: free some space on its disk{left}, and what was decided meanwhile is stored",
            path=str(path),
            free_bytes=free,
        )
    said = cause.strerror if isinstance(cause, OSError) else str(cause)
    return StoreError(
        f"{path}: {said}. See whether the file and its disk are in order; moved away, it is begun anew,"
        " without what was in it",
        path=str(path),
    )


def _is_no_room(cause: object) -> bool:
    if isinstance(cause, OSError):
        return cause.errno in _NO_ROOM
    return isinstance(cause, sqlite3.Error) and getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def _free_bytes(path: Path) -> int | None:
    try:
        return shutil.disk_usage(path.parent).free
    except OSError:
        return None
