"""Listening on the loopback, and the address of whatever listens."""

import socket

from farcell_host.target import socket_url
from farcell_protocol.errors import BadRequest, Unavailable

BACKLOG = 512
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def listen_tcp(host: str, port: int) -> socket.socket:
    """A listening socket on a loopback address; port 0 takes a free one.

    Raises:
        BadRequest: the address is not a loopback one: there is no TLS here yet.
        Unavailable: the port is taken.
    """
    if host not in LOOPBACK:
        raise BadRequest(
            f"--host {host}: only loopback addresses (127.0.0.1, ::1) are served; reach it from elsewhere"
            " through an SSH tunnel",
            host=host,
        )
    family = socket.AF_INET6 if host == "::1" else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as err:
        listener.close()
        raise Unavailable(f"cannot listen on {host}:{port}: {err.strerror}; choose another --port", port=port) from err
    listener.listen(BACKLOG)
    return listener


def address_of(listener: socket.socket) -> str:
    """The address of a socket as it is written in the lock file: `unix:///path` or `http://127.0.0.1:8765`."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return socket_url(name)
    host = f"[{name[0]}]" if listener.family == socket.AF_INET6 else name[0]
    return f"http://{host}:{name[1]}"
