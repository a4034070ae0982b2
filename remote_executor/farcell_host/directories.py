"""The directories that an executor, an agent and a keeper share, and nobody else: the one check all three make."""

import os
from pathlib import Path

from farcell_protocol.errors import DirectoryNotOurs


def private_directory(path: Path) -> None:
    """Make `path` with mode 0700, or check that the one there is ours alone.

    Raises:
        DirectoryNotOurs: it is somebody else's, or a link of somebody else's; files in it could not be trusted.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.stat()
    strangers = {found.st_uid, path.lstat().st_uid} - {os.getuid()}
    if strangers:
        raise DirectoryNotOurs(
            f"{path} belongs to user id {strangers.pop()}, not to you ({os.getuid()}): choose another FARCELL_DATA",
            path=str(path),
        )
    if found.st_mode & 0o077:
        path.chmod(0o700)


def is_still(made: os.stat_result, path: Path) -> bool:
    """Whether `path` is the very file that `made` describes, which somebody holds open; neither removed nor replaced.

    A disk that cannot be asked is no reason to believe that it is gone.
    """
    try:
        found = path.stat(follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return os.path.samestat(made, found)


def remove_if_still(made: os.stat_result, path: Path) -> None:
    """Remove a socket's file of ours, unless there is a successor's by now."""
    # The number of a file that was closed is soon given to another.
    if is_still(made, path) and path.stat(follow_symlinks=False).st_mtime_ns == made.st_mtime_ns:
        path.unlink(missing_ok=True)
