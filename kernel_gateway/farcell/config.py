"""Which executor this process talks to, and where that was decided."""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from farcell_protocol.errors import BadRequest, ExecutorUnreachable
from farcell_protocol.places import Places, data_directory, places

_NAMING_PLACES = ("HOME", "FARCELL_DATA", "XDG_DATA_HOME", "XDG_RUNTIME_DIR")
_FORMS = "http://127.0.0.1:8765, https://farcell.example.org or unix:///run/farcell/executor.sock"


@dataclass(frozen=True)
class Target:
    """An executor's address, and what lets us in.

    `embedded` is the user's own daemon, found or started when first needed: its `token` is read from
    the data directory then, and is None before.
    """

    url: str
    token: str | None = field(repr=False)
    embedded: bool

    @property
    def socket_path(self) -> str | None:
        """The file of a Unix socket, None for an address on a network."""
        parts = urlsplit(self.url)
        return unquote(parts.path) if parts.scheme == "unix" else None

    @property
    def is_local(self) -> bool:
        """Whether no network lies between: a Unix socket or the loopback, for which no proxy is asked."""
        return self.socket_path is not None or is_loopback(urlsplit(self.url).hostname or "")


_chosen: Target | None = None


def connect(url: str | None, token: str | None = None) -> Target | None:
    """Use that executor for the rest of this process; None goes back to the environment's or the embedded one.

    Nothing is dialled: the next client does that.

    Raises:
        BadRequest: the address cannot be read.
    """
    global _chosen
    _chosen = None if url is None else Target(check_url(url), token or os.environ.get("FARCELL_TOKEN"), False)
    return _chosen


def target(environ: Mapping[str, str]) -> Target:
    """What `connect` chose, else `FARCELL_URL` with `FARCELL_TOKEN`, else the embedded executor.

    Raises:
        BadRequest: `FARCELL_URL` cannot be read.
    """
    if _chosen is not None:
        return _chosen
    url = environ.get("FARCELL_URL")
    if url:
        return Target(check_url(url), environ.get("FARCELL_TOKEN") or None, False)
    return Target(f"unix://{embedded_places(environ).executor_socket}", None, True)


def embedded_places(environ: Mapping[str, str]) -> Places:
    """Where the embedded executor's files lie for this environment and user.

    Raises:
        ExecutorUnreachable: there is neither `FARCELL_DATA` nor a home directory.
    """
    named = tuple((name, environ[name]) for name in _NAMING_PLACES if name in environ)
    return _places(named, os.getcwd() if not environ.get("FARCELL_DATA", "/").startswith("/") else "", os.getuid())


@lru_cache(maxsize=8)  # asked for before every cell, to see whether the executor is still the one to use
def _places(named: tuple[tuple[str, str], ...], _cwd: str, uid: int) -> Places:
    environ = dict(named)
    try:
        home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    except RuntimeError as err:
        raise ExecutorUnreachable(f"no place for the embedded executor's files: {err}; set FARCELL_DATA") from err
    return places(data_directory(environ, home), environ, uid)


def check_url(url: str) -> str:
    """`url` without blanks and a trailing slash.

    Raises:
        BadRequest: it is not the address of an executor; the message shows what one looks like.
    """
    text = url.strip().rstrip("/")
    try:
        parts = urlsplit(text)
        port_is_readable = parts.port is None or parts.port > 0
    except ValueError as err:
        raise BadRequest(f"{url!r} is not an executor's address ({err}): write {_FORMS}", url=url) from err
    known = (parts.scheme in ("http", "https") and parts.hostname) or (parts.scheme == "unix" and parts.path)
    if not known or not port_is_readable or parts.query or parts.fragment or parts.username:
        raise BadRequest(f"{url!r} is not an executor's address: write {_FORMS}", url=url)
    return text


def is_loopback(host: str) -> bool:
    """Whether `host` names this very machine by its loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
