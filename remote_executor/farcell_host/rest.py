"""The executor's REST routes over http.client: one connection per call, on a Unix socket, TCP or TLS.

For who may wait for the answer: the SDK in the thread of a cell, and the commands.
"""

import http.client
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from farcell_host.target import Target
from farcell_protocol.errors import (
    ErrorInfo,
    ExecutorUnreachable,
    FarcellError,
    Forbidden,
    NotFound,
    Unauthorized,
    Unavailable,
    VersionMismatch,
    error_from,
)
from farcell_protocol.version import OLDEST, PROTOCOL, agree

T = TypeVar("T")

PROTOCOL_HEADER = "Farcell-Protocol"
ANSWER_S = 30.0
"""How long an answer may take. Every route answers at once, so this only bounds a link that hangs."""

_PIECE_BYTES = 64 * 2**10

_BY_STATUS: dict[int, type[FarcellError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    426: VersionMismatch,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def headers(target: Target, oldest: int = OLDEST) -> dict[str, str]:
    """What every request says about us: the protocol we speak, and our token.

    Raises:
        Unauthorized: it is no token, or several; the text does not quote it.
    """
    if target.token and not (target.token.isascii() and target.token.isprintable() and " " not in target.token):
        raise Unauthorized(
            f"what should be the token for {target.url} has {len(target.token):,} characters, some of which no token "
            "has: it must be one line as `farcell token create` prints it"
        )
    ours = {PROTOCOL_HEADER: f"{PROTOCOL};{oldest}"}
    return ours | ({"Authorization": f"Bearer {target.token}"} if target.token else {})


def call(target: Target, method: str, path: str, kind: type[T], body: object = None, timeout_s: float = ANSWER_S) -> T:
    """Ask the executor, and read its JSON answer as `kind`.

    Raises:
        ExecutorUnreachable: nobody answers there; the text says what to do.
        VersionMismatch: it speaks no protocol of ours.
        FarcellError: what it answered, by class.
    """
    data = call_raw(target, method, path, body, timeout_s)
    try:
        return msgspec.json.decode(data or b"null", type=kind)
    except msgspec.DecodeError as err:
        raise ExecutorUnreachable(
            f"{target.url} answers, but not as an executor does ({err}): is the address right?", url=target.url
        ) from err


def call_raw(
    target: Target, method: str, path: str, body: object = None, timeout_s: float = ANSWER_S, oldest: int = OLDEST
) -> bytes:
    """Like `call`, for an answer that is not JSON. `oldest` is for a word that is the same in every
    version of the protocol, said to an executor older than we can otherwise speak to."""
    with _answer(target, method, path, body, timeout_s, oldest) as answer:
        return answer.read()


def chunks(
    target: Target, method: str, path: str, body: object = None, timeout_s: float | None = ANSWER_S
) -> Iterator[bytes]:
    """Like `call_raw`, for an answer of any length, in pieces; asked when the first is taken. `timeout_s` is for each
    piece, None waits for ever."""
    with _answer(target, method, path, body, timeout_s, OLDEST) as answer:
        while piece := answer.read1(_PIECE_BYTES):
            yield piece


@contextmanager
def _answer(
    target: Target, method: str, path: str, body: object, timeout_s: float | None, oldest: int
) -> Iterator[http.client.HTTPResponse]:
    """Ask, and give the answer to be read, unless it is a refusal or in a protocol that we do not speak."""
    link = _connection(target, timeout_s)
    data = None if body is None else msgspec.json.encode(body)
    extra = {} if data is None else {"Content-Type": "application/json"}
    prefix = "" if target.socket_path is not None else urlsplit(target.url).path
    try:
        link.request(method, f"{prefix}/v1{path}", data, headers(target, oldest) | extra)
        answer = link.getresponse()
        protocol = answer.getheader(PROTOCOL_HEADER)
        if answer.status >= 400:
            raise refusal(target, answer.status, answer.read(), protocol)
        if oldest == OLDEST:
            check_protocol(target, protocol)
        yield answer
    except (OSError, http.client.HTTPException) as err:
        raise unreachable(target, err) from err
    finally:
        link.close()


def segment(text: str) -> str:
    """`text` as one segment of a path."""
    return quote(text, safe="")


def check_protocol(target: Target, header: str | None) -> None:
    """Compare what the executor says it speaks (newest;oldest) with what we do.

    Raises:
        VersionMismatch: there is no common version, or the header cannot be read.
    """
    if not header:
        return
    newest, _, oldest = header.partition(";")
    if not (newest.isdecimal() and (oldest or newest).isdecimal()):
        raise VersionMismatch(f"{target.url} announces the protocol {header[:40]!r}, which cannot be read")
    agree(int(newest), int(oldest or newest), who=f"the executor at {target.url}")


def unreachable(target: Target, err: Exception) -> ExecutorUnreachable:
    """Nobody answers at `target`, in words that say what to do about it."""
    if isinstance(err, TimeoutError):
        said = "nobody answered in time"
    else:
        said = _said(err)
    advice = "run the cell again" if target.embedded else "is it running? `farcell up` starts one"
    return ExecutorUnreachable(f"no executor answers at {target.url} ({said}): {advice}", url=target.url)


def _said(err: Exception) -> str:
    number = getattr(err, "errno", None)
    if isinstance(err, socket.gaierror) or not isinstance(number, int) or number <= 0:
        return getattr(err, "strerror", None) or str(err) or type(err).__name__
    return os.strerror(number)  # asyncio puts a text of its own in `strerror`


def refusal(target: Target, status: int, content: bytes, protocol: str | None = None) -> FarcellError:
    """The error that an answer with this status stands for, whoever wrote it: the executor or a proxy before it."""
    try:
        info = msgspec.json.decode(content, type=ErrorInfo)
    except msgspec.DecodeError:
        info = None
    if status == 401:
        return Unauthorized(_token_advice(target), url=target.url)
    if status == 426:
        try:
            # Said from our side, where the reader is: the answer's own text is from the executor's.
            check_protocol(target, protocol)
        except VersionMismatch as err:
            return err
    if info is not None:
        return error_from(info)
    kind = _BY_STATUS.get(status, FarcellError if status >= 500 else ExecutorUnreachable)
    return kind(
        f"{target.url} answered {status} {http.client.responses.get(status, '')}".rstrip(),
        url=target.url,
        status=status,
    )


def _token_advice(target: Target) -> str:
    if target.token is None:
        return f"{target.url} wants a token: %gpu connect {target.url} --token-file FILE, or set FARCELL_TOKEN"
    known = target.token.partition(".")[0][:16]
    return f"{target.url} does not accept the token {known}…: it is wrong, expired or revoked; ask for another"


def _connection(target: Target, timeout_s: float | None) -> http.client.HTTPConnection:
    path = target.socket_path
    if path is not None:
        return _UnixConnection(path, timeout_s)
    parts = urlsplit(target.url)
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    proxy = None if target.is_local else _proxy(parts.scheme, host)
    if proxy is None:
        return kind(host, parts.port, timeout=timeout_s)
    link = kind(*proxy, timeout=timeout_s)
    link.set_tunnel(host, parts.port or (443 if secure else 80))
    return link


def _proxy(scheme: str, host: str) -> tuple[str, int] | None:
    # Imported here: only an executor on a network needs it, and the kernel's start should not pay.
    from urllib.request import getproxies, proxy_bypass

    chosen = getproxies().get(scheme)
    if not chosen or proxy_bypass(host):
        return None
    parts = urlsplit(chosen if "//" in chosen else f"http://{chosen}")
    return (parts.hostname or "", parts.port or 80)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float | None) -> None:
        super().__init__("farcell", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Called by http.client when it sends the request."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
