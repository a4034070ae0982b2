"""How the commands talk to an executor: plain HTTP over its Unix socket or TCP, one connection per request."""

import http.client
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from farcell_executor.lock import lock_holder
from farcell_protocol.errors import (
    BadRequest,
    ErrorInfo,
    ExecutorUnreachable,
    FarcellError,
    Unauthorized,
    VersionMismatch,
    error_from,
)
from farcell_protocol.places import Places
from farcell_protocol.version import OLDEST, PROTOCOL

T = TypeVar("T")

ANSWER_S = 30.0
_PIECE_BYTES = 64 * 2**10


@dataclass(frozen=True)
class Caller:
    """An executor's address (`unix:///path` or `http://host:port`) and the token for it."""

    address: str
    token: str = field(repr=False)

    def ask(self, method: str, path: str, kind: type[T], body: object = None, timeout_s: float = ANSWER_S) -> T:
        """Send a request under /v1, and read its JSON answer as `kind`.

        Raises:
            ExecutorUnreachable: nobody answers; the text says what to type.
            FarcellError: what the executor answered, by class.
        """
        return msgspec.json.decode(b"".join(self.stream(method, path, body, timeout_s)) or b"null", type=kind)

    def stream(
        self, method: str, path: str, body: object = None, timeout_s: float | None = ANSWER_S
    ) -> Iterator[bytes]:
        """Like `ask`, for the answer's bytes as they come."""
        connection = self._connection(timeout_s)
        try:
            connection.request(method, f"/v1{path}", *self._request(body))
            with connection.getresponse() as answer:
                if answer.status >= 400:
                    raise _refusal(answer.status, answer.read())
                while piece := answer.read1(_PIECE_BYTES):
                    yield piece
        except (OSError, http.client.HTTPException) as err:
            raise unreachable(self.address, err) from err
        finally:
            connection.close()

    def _request(self, body: object) -> tuple[bytes | None, dict[str, str]]:
        headers = {"Authorization": f"Bearer {self.token}", "Farcell-Protocol": f"{PROTOCOL};{OLDEST}"}
        if body is None:
            return None, headers
        return msgspec.json.encode(body), headers | {"Content-Type": "application/json"}

    def _connection(self, timeout_s: float | None) -> http.client.HTTPConnection:
        parts = urlsplit(self.address)
        if parts.scheme == "unix":
            return _UnixConnection(parts.path, timeout_s)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadRequest(f"{self.address!r} is no executor's address: write http://HOST:PORT or unix:///PATH")
        if parts.scheme == "https":
            return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout_s)
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float | None) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Called by http.client."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def segment(text: str) -> str:
    """`text`, whatever was typed, as one segment of a path."""
    return quote(text, safe="")


def find(places: Places, *, url: str | None, token: str | None) -> Caller:
    """The executor at `url` with `token`, else the one that holds the data directory.

    Raises:
        ExecutorUnreachable: none holds it.
        Unauthorized: there is no token to present.
    """
    if url:
        if not token:
            raise Unauthorized(f"{url} wants a token: set FARCELL_TOKEN")
        return Caller(url.rstrip("/"), token)
    holder = lock_holder(places)
    if not holder.get("address"):
        raise ExecutorUnreachable(
            f"no executor runs on {places.data}: `farcell up` starts one, and so does the first %%gpu cell",
            path=str(places.data),
        )
    try:
        mine = token or places.token_file.read_text().strip()
    except OSError as err:
        raise Unauthorized(
            f"cannot read the token in {places.token_file}: {err.strerror}. `kill {holder.get('pid')}` ends the"
            " executor, whose workers go on, and the next one writes a token there"
        ) from err
    return Caller(str(holder["address"]), mine)


def unreachable(address: str, err: Exception) -> ExecutorUnreachable:
    """Nobody answers at `address`, in words that say what to type."""
    said = "no answer in time" if isinstance(err, TimeoutError) else getattr(err, "strerror", None) or err
    return ExecutorUnreachable(
        f"no executor answers at {address} ({said}): is it running? `farcell up` starts one", address=address
    )


def _refusal(status: int, body: bytes) -> FarcellError:
    try:
        return error_from(msgspec.json.decode(body, type=ErrorInfo))
    except msgspec.DecodeError:
        if status == 426:
            return VersionMismatch("the executor speaks another protocol: upgrade the older of the two")
        return FarcellError(f"the executor answered {status}: {body[:200].decode(errors='replace')}")
