"""Starting an executor's process: cheap things first, so that its keeper warms up beside the slow imports.

Imports nothing slow itself: Litestar alone takes half a second.
"""

import logging
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from farcell_executor.lock import data_lock
from farcell_executor.settings import Settings
from farcell_executor.sockets import BACKLOG, address_of, listen_tcp
from farcell_host.door import Door
from farcell_host.installed import our_version
from farcell_host.locks import LockFile
from farcell_host.processes import close_inherited, move_to_background
from farcell_protocol.errors import Unavailable

log = logging.getLogger("farcell_executor")


@dataclass(frozen=True)
class KeeperControl:
    """The agent's ways with the keeper, handed in: nothing below the composition root knows agents."""

    start: Callable[[], object]
    dismiss: Callable[[], object]
    """Have one leave that nobody needs."""


def run_executor(settings: Settings, keeper: KeeperControl, on_ready: Callable[[str], None]) -> None:
    """Hold the data directory, listen, start the keeper, import the rest, serve until told to leave.

    `on_ready` is told the address. Both directories must exist.

    Raises:
        DataDirectoryInUse: another executor holds the data directory; the error names it.
        Unavailable: the port is taken.
    """
    places = settings.places
    with ExitStack() as stack:
        lock = stack.enter_context(data_lock(places))
        door = Door(places.executor_socket, BACKLOG)
        stack.callback(door.remove)
        sockets = [stack.enter_context(door.listener)]
        if settings.port is not None:
            sockets.append(stack.enter_context(listen_tcp(settings.host, settings.port)))
        address = address_of(sockets[-1])
        lock.sign(address=address, version=our_version())
        _start(keeper)
        try:
            _serve(settings, sockets, lock, door, lambda: on_ready(address))
        except BaseException:
            keeper.dismiss()
            raise


def become_daemon(log_file: int, ready_fd: int | None) -> None:
    """A session of its own, no terminal, no inherited descriptors, everything said goes to `log_file`."""
    move_to_background(log_file)
    close_inherited(() if ready_fd is None else {ready_fd})
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _start(keeper: KeeperControl) -> None:
    try:
        keeper.start()
    except Unavailable as err:
        # The agent tries again; an executor without a keeper can still show runs and serve other nodes.
        log.error("%s", err)


def _serve(
    settings: Settings, sockets: list[socket.socket], lock: LockFile, door: Door, on_ready: Callable[[], None]
) -> None:
    import uvloop

    from farcell_executor.server import serve_until_told

    uvloop.run(serve_until_told(settings, sockets, lock, door, lambda _: on_ready()))
