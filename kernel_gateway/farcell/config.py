"""Which executor this process talks to, and where that was decided."""

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from farcell_host.target import Target, check_url, socket_url
from farcell_protocol.errors import ExecutorUnreachable
from farcell_protocol.places import Places, data_directory, places

_NAMING_PLACES = ("HOME", "FARCELL_DATA", "XDG_DATA_HOME", "XDG_RUNTIME_DIR")


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
    return Target(socket_url(embedded_places(environ).executor_socket), None, True)


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
