"""Starting an executor's process: cheap things first, so that its keeper warms up beside the slow imports.

Imports nothing slow itself: Litestar alone takes half a second.
"""

import logging
import os
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from farcell_executor.lock import data_lock
from farcell_executor.settings import Settings
from farcell_executor.sockets import address_of, listen_tcp, listen_unix
from farcell_host.directories import remove_if_still
from farcell_host.installed import our_version
from farcell_host.locks import LockFile
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
        sockets = [stack.enter_context(listen_unix(places.executor_socket))]
        stack.callback(remove_if_still, places.executor_socket.stat(), places.executor_socket)
        if settings.port is not None:
            sockets.append(stack.enter_context(listen_tcp(settings.host, settings.port)))
        address = address_of(sockets[-1])
        lock.sign(address=address, version=our_version())
        _start(keeper)
        try:
            _serve(settings, sockets, lock, lambda: on_ready(address))
        except BaseException:
            keeper.dismiss()
            raise


def become_daemon(log_file: int, ready_fd: int | None) -> None:
    """A session of its own, no terminal, no inherited descriptors, everything said goes to `log_file`."""
    with suppress(PermissionError):  # already the leader of its process group: whoever started us did this
        os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log_file, 1)
    os.dup2(log_file, 2)
    keep = {0, 1, 2, ready_fd}
    for descriptor in [int(name) for name in os.listdir("/proc/self/fd")]:
        if descriptor not in keep:
            with suppress(OSError):
                os.close(descriptor)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.chdir("/")


def _start(keeper: KeeperControl) -> None:
    try:
        keeper.start()
    except Unavailable as err:
        # The agent tries again; an executor without a keeper can still show runs and serve other nodes.
        log.error("%s", err)


def _serve(settings: Settings, sockets: list[socket.socket], lock: LockFile, on_ready: Callable[[], None]) -> None:
    import uvloop

    from farcell_executor.server import serve_until_told

    uvloop.run(serve_until_told(settings, sockets, lock, lambda _: on_ready()))
