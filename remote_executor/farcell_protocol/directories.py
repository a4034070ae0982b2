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
