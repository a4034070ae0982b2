"""The address of an executor, and what is read in one."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from farcell_protocol.errors import BadRequest

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


def socket_url(path: Path | str) -> str:
    """The address of a Unix socket; `Target.socket_path` reads it."""
    return f"unix://{quote(str(path))}"


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
