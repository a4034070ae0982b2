"""What must hold of the embedded executor's files before we speak to it or use its token."""

import os
import stat

from farcell_host.target import socket_url
from farcell_protocol.errors import ExecutorUnreachable, Unauthorized
from farcell_protocol.places import Places


def own_socket(places: Places) -> str | None:
    """The address in our own runtime directory, if there is a socket.

    Raises:
        ExecutorUnreachable: somebody else could have put it there.
    """
    path = places.executor_socket
    try:
        folder, socket = path.parent.lstat(), path.lstat()
    except OSError:
        return None
    for place, found in ((path.parent, folder), (path, socket)):
        if found.st_uid != os.getuid():
            raise ExecutorUnreachable(
                f"{place} belongs to user {found.st_uid}, not to you: "
                "remove it, or set FARCELL_DATA to a folder of yours",
                path=str(place),
            )
    if stat.S_IMODE(folder.st_mode) & 0o022:
        raise ExecutorUnreachable(
            f"{path.parent} can be written by others: chmod 700 {path.parent}", path=str(path.parent)
        )
    return socket_url(path)


def read_token(places: Places) -> str:
    """The admin token that the executor made for us.

    Raises:
        Unauthorized: it is missing, or others could have read or written it.
    """
    path = places.token_file
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as err:
        raise Unauthorized(
            f"cannot read the token of the embedded executor: {path}: {err.strerror}; `farcell status` says what to do"
        ) from err
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        raise Unauthorized(f"cannot read the token of the embedded executor: {path} is no file: remove it")
    with os.fdopen(handle, errors="replace") as file:
        if found.st_uid != os.getuid():
            raise Unauthorized(f"{path} belongs to user {found.st_uid}, not to you: it is not used", path=str(path))
        if stat.S_IMODE(found.st_mode) & 0o077:
            mode = f"{stat.S_IMODE(found.st_mode):04o}"
            raise Unauthorized(
                f"{path} has mode {mode}: others may know the token. Put the one there (mode 600) that "
                "`farcell token create --user admin --scope admin --quiet` prints, and end this one with "
                f"`farcell token revoke`; or if nobody else uses this machine: chmod 600 {path}",
                path=str(path),
                mode=mode,
            )
        return file.read().strip()
