"""Listening where only we can be reached. The HTTP server's own way would let all users connect."""

import os
import socket
from pathlib import Path


def listen_unix(path: Path, backlog: int) -> socket.socket:
    """A listening socket at `path`, mode 0600, for `backlog` callers who wait.

    What is there is removed as left over from an earlier life: the caller holds the lock of the directory.
    """
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # there is no moment in which others could connect
    try:
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    listener.listen(backlog)
    return listener
