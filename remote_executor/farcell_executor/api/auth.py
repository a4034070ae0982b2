"""The gate in front of every route, the schema and unknown paths included: origin, protocol, token. Raw ASGI.

What passes carries its `Identity` as the request's user. The guards below say which scopes a route is for.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from farcell_executor.api.errors import encode_error, status_of
from farcell_executor.settings import Settings
from farcell_executor.tokens import Identity, Tokens
from farcell_protocol.errors import BadRequest, FarcellError, Forbidden, Unauthorized, VersionMismatch
from farcell_protocol.version import OLDEST, PROTOCOL

PROTOCOL_HEADER = "farcell-protocol"
OURS = f"{PROTOCOL};{OLDEST}"
REVOKED = 4401
"""The close code of a websocket whose token was revoked or expired."""

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Gate:
    """An ASGI application that lets through to `inner` what is allowed in, and answers the rest itself."""

    def __init__(self, inner: Any, tokens: Tokens, settings: Settings, on_request: Callable[[], None]) -> None:
        self._inner = inner
        self._tokens = tokens
        self._settings = settings
        self._on_request = on_request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] not in ("http", "websocket"):
            await self._inner(scope, receive, send)
            return
        self._on_request()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        send = _with_protocol(send)
        try:
            check_origin(headers, self._settings, local=scope.get("client") is None)
            check_protocol(headers.get(PROTOCOL_HEADER))
            scope["user"] = scope["auth"] = await self._tokens.check(_bearer(headers))
        except FarcellError as err:
            await _refuse(scope, receive, send, err)
            return
        await self._inner(scope, receive, send)


def check_origin(headers: Mapping[str, str], settings: Settings, *, local: bool) -> None:
    """Turn away browsers: no page ever has a reason to call the executor itself.

    Raises:
        Forbidden: an `Origin` that is not allowed, or over TCP a `Host` that is not ours (DNS rebinding).
    """
    origin = headers.get("origin")
    if origin is not None and origin not in settings.allowed_origins:
        raise Forbidden(f"requests of web pages are not allowed here (origin {origin[:100]})")
    host = headers.get("host", "")
    name = host[1 : host.find("]")] if host.startswith("[") else host.rpartition(":")[0] or host
    if not local and name.lower() not in settings.allowed_hosts:
        raise Forbidden(f"this executor does not answer as {host[:100]!r}")


def check_protocol(header: str | None) -> None:
    """Compare what the client speaks with what we do. Without the header it is taken to speak ours (curl).

    Raises:
        VersionMismatch: the ranges do not meet; the text says which side to upgrade.
        BadRequest: the header cannot be read.
    """
    if header is None or header == OURS:
        return
    newest, _, oldest = header.partition(";")
    if not (newest.isdecimal() and oldest.isdecimal()):
        raise BadRequest(f"{PROTOCOL_HEADER}: {header[:40]!r} is not NEWEST;OLDEST")
    if int(newest) < OLDEST or int(oldest) > PROTOCOL:
        behind = "the farcell you call from" if int(newest) < OLDEST else "this executor"
        raise VersionMismatch(
            f"this executor speaks protocol {OLDEST} to {PROTOCOL}, the client {int(oldest)} to {int(newest)}:"
            f" upgrade {behind}",
            executor=[OLDEST, PROTOCOL],
            client=[int(oldest), int(newest)],
        )


def people_only(connection: ASGIConnection[Any, Identity, Any, Any], _: BaseRouteHandler) -> None:
    """A guard: users and admins.

    Raises:
        Forbidden: an agent's token.
    """
    if connection.user.scope == "agent":
        raise Forbidden("an agent's token opens nothing but /v1/agents")


def admins_only(connection: ASGIConnection[Any, Identity, Any, Any], _: BaseRouteHandler) -> None:
    """A guard: admins.

    Raises:
        Forbidden: anybody else's token.
    """
    if not connection.user.admin:
        raise Forbidden("this needs an admin's token")


def agents_only(connection: ASGIConnection[Any, Identity, Any, Any], _: BaseRouteHandler) -> None:
    """A guard: agents.

    Raises:
        Forbidden: anybody else's token.
    """
    if connection.user.scope != "agent":
        raise Forbidden("agents join with an agent's token: `farcell token create --user NAME --scope agent`")


def _bearer(headers: Mapping[str, str]) -> str:
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token:
        raise Unauthorized("a token is needed: send the header `Authorization: Bearer TOKEN`")
    return token.strip()


def _with_protocol(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
            ours = (PROTOCOL_HEADER.encode(), OURS.encode())
            message = {**message, "headers": [*message.get("headers", ()), ours]}
        await send(message)

    return sending


async def _refuse(scope: Scope, receive: Receive, send: Send, err: FarcellError) -> None:
    info = err.info()
    body = encode_error(info)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if info.code == Unauthorized.code:
        headers.append((b"www-authenticate", b"Bearer"))
    prefix = "http"
    if scope["type"] == "websocket":
        await receive()
        prefix = "websocket.http"
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": REVOKED, "reason": info.message[:100]})
            return
    await send({"type": f"{prefix}.response.start", "status": status_of(info), "headers": headers})
    await send({"type": f"{prefix}.response.body", "body": body})
