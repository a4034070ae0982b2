"""The form in which every error leaves the executor; its status is the protocol's."""

import logging
from typing import Any

import msgspec
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException

from farcell_protocol import errors
from farcell_protocol.errors import ErrorInfo, FarcellError
from farcell_protocol.statuses import STATUS

log = logging.getLogger(__name__)

_KINDS: dict[int, type[FarcellError]] = {
    400: errors.BadRequest,
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
}


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
        info = errors.MessageTooLarge("the request's body is over the limit of this executor").info()
    else:
        info = _KINDS.get(err.status_code, FarcellError)(_words(err)).info()
    return _answer(info, None if info.code in STATUS else err.status_code)


def answer_too_deep(request: Request[Any, Any, Any], err: RecursionError) -> Response[bytes]:
    """Nothing of ours recurses but what reads a body, which the framework lets through as it is."""
    log.warning("%s %s: %s", request.method, request.url.path, err)
    return _answer(errors.BadRequest("the request's body is nested too deep").info())


def answer_fault(request: Request[Any, Any, Any], err: Exception) -> Response[bytes]:
    """A fault of ours: the log has the traceback, the answer does not."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=err)
    return _answer(FarcellError(f"the executor failed ({type(err).__name__}); its log says more").info())


def _words(err: HTTPException) -> str:
    extra = err.extra if isinstance(err.extra, list) else []
    parts = [f"{one.get('key')}: {one.get('message')}" for one in extra if isinstance(one, dict)]
    return "; ".join([err.detail, *parts])


def _answer(info: ErrorInfo, status: int | None = None) -> Response[bytes]:
    return Response(encode_error(info), status_code=status or status_of(info), media_type=MediaType.JSON)
