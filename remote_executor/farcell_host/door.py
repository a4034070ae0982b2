"""A private socket by which a process is found, made anew when somebody has swept its folder.

Login managers and cleaners of temporary folders remove sockets that are in use.
"""

import socket
from pathlib import Path

from farcell_host.directories import is_still, private_directory, remove_if_still
from farcell_host.sockets import listen_unix


class Door:
    """The socket at `path`. The caller holds the lock of the directory for as long as it uses this."""

    def __init__(self, path: Path, backlog: int) -> None:
        self.path = path
        self._backlog = backlog
        self.listener = self._open()

    def mend(self) -> socket.socket | None:
        """Another listener in place of one that nobody finds any more; None while all is well.

        Raises:
            OSError, DirectoryNotOurs: it cannot be made now.
        """
        if is_still(self._made, self.path):
            return None
        private_directory(self.path.parent)
        self.listener = self._open()
        return self.listener

    def remove(self) -> None:
        """Remove the socket's file, unless it is a successor's by now."""
        remove_if_still(self._made, self.path)

    def _open(self) -> socket.socket:
        listener = listen_unix(self.path, self._backlog)
        self._made = self.path.stat()
        return listener
