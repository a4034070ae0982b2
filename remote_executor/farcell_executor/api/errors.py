"""One table from error code to HTTP status, and the form in which every error leaves the executor."""

import logging
from typing import Any

import msgspec
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException

from farcell_protocol.errors import ErrorInfo, FarcellError

log = logging.getLogger(__name__)

STATUS = {
    "bad-request": 400,
    "bad-spec": 400,
    "no-device-fits": 409,
    "session-differs": 409,
    "session-ended": 409,
    "node-is-connected": 409,
    "unauthorized": 401,
    "forbidden": 403,
    "not-found": 404,
    "pruned": 410,
    "method-not-allowed": 405,
    "message-too-large": 413,
    "version-mismatch": 426,
    "unavailable": 503,
    "disk-full": 507,
    "disk-failed": 507,
    "store": 507,
}
"""Whatever is not here is a fault of ours: 500."""

_CODES = {400: "bad-request", 401: "unauthorized", 403: "forbidden", 404: "not-found", 405: "method-not-allowed"}


def status_of(info: ErrorInfo) -> int:
    """The HTTP status of an error."""
    return STATUS.get(info.code, 500)


def encode_error(info: ErrorInfo) -> bytes:
    """The body of an answer that is an error."""
    return msgspec.json.encode(info)


def answer_our_error(_: Request[Any, Any, Any], err: FarcellError) -> Response[bytes]:
    """An error of our own tree, as it is."""
    return _answer(err.info())


def answer_http_error(_: Request[Any, Any, Any], err: HTTPException) -> Response[bytes]:
    """What the framework refuses: unknown routes, bodies that cannot be read or are too large."""
    if err.status_code == 413:
        info = ErrorInfo("message-too-large", "the request's body is over the limit of this executor")
    else:
        info = ErrorInfo(_CODES.get(err.status_code, "farcell"), _words(err))
    return _answer(info, None if info.code in STATUS else err.status_code)


def answer_too_deep(request: Request[Any, Any, Any], err: RecursionError) -> Response[bytes]:
    """Nothing of ours recurses but what reads a body, which the framework lets through as it is."""
    log.warning("%s %s: %s", request.method, request.url.path, err)
    return _answer(ErrorInfo("bad-request", "the request's body is nested too deep"))


def answer_fault(request: Request[Any, Any, Any], err: Exception) -> Response[bytes]:
    """A fault of ours: the log has the traceback, the answer does not."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=err)
    return _answer(ErrorInfo("farcell", f"the executor failed ({type(err).__name__}); its log says more"))


def _words(err: HTTPException) -> str:
    extra = err.extra if isinstance(err.extra, list) else []
    parts = [f"{one.get('key')}: {one.get('message')}" for one in extra if isinstance(one, dict)]
    return "; ".join([err.detail, *parts])


def _answer(info: ErrorInfo, status: int | None = None) -> Response[bytes]:
    return Response(encode_error(info), status_code=status or status_of(info), media_type=MediaType.JSON)
