"""Frames to bytes that always fit: text cut, what msgpack cannot say made plain, oversize content replaced. Pure."""

import base64
import numbers
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import msgspec

from farcell_protocol import framing
from farcell_protocol.frames import MAX_FRAME_BYTES, MAX_MESSAGE_BYTES, Frame, Message

COMM_KINDS = frozenset({"comm_open", "comm_msg", "comm_close"})
"""Whole or not at all: whoever sends one over `frames.MAX_MESSAGE_BYTES` is refused before it comes here."""

_LARGEST_INT = 2**64 - 1
_SMALLEST_INT = -(2**63)
_LINE_CHARS = 20_000


def cut_text(text: str, size_chars: int) -> Iterator[str]:
    """Pieces of at most `size_chars`; one piece in the ordinary case, none for no text."""
    if 0 < len(text) <= size_chars:
        yield text
        return
    for start in range(0, len(text), size_chars):
        yield text[start : start + size_chars]


def fitting(frame: Frame, limit_bytes: int = MAX_MESSAGE_BYTES) -> bytes:
    """The encoded frame, made plain or shortened where it cannot travel as it is: over a frame's size an error, whose
    lines nobody would read, and over `limit_bytes` a display."""
    try:
        body = framing.pack(frame)
    except (UnicodeEncodeError, OverflowError, TypeError, ValueError):
        if not isinstance(frame, Message):
            raise
        frame = msgspec.structs.replace(frame, content=plain(frame.content), metadata=plain(frame.metadata))
        body = framing.pack(frame)
    if len(body) > MAX_FRAME_BYTES and isinstance(frame, Message) and frame.msg_type not in COMM_KINDS:
        return _shortened(frame, body, limit_bytes)
    return body


def plain(value: Any) -> Any:
    """`value` with only what JSON and msgpack both can say, as Jupyter's own packer would: bytes in base 64, dates in
    ISO form; besides, lone surrogates escaped, integers beyond 64 bits as floats, and the rest as the name of its type.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, bool | float) or value is None:
        return value
    if isinstance(value, dict):
        return {plain(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return _plain_other(value)


def _plain_other(value: Any) -> Any:
    if isinstance(value, numbers.Integral):
        number = int(value)
        return number if _SMALLEST_INT <= number <= _LARGEST_INT else _large_int(number)
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime | date):
        return value.isoformat()
    return f"<{type(value).__name__}>"


def _large_int(value: int) -> float | str:
    try:
        return float(value)
    except OverflowError:
        return f"<int of {value.bit_length()} bits>"


def _shortened(frame: Message, body: bytes, limit_bytes: int) -> bytes:
    if frame.msg_type == "error":
        content = {key: _short_lines(value) for key, value in frame.content.items()}
        return framing.pack(msgspec.structs.replace(frame, content=content))
    if len(body) <= limit_bytes or "data" not in frame.content:
        return body
    note = f"farcell: an output of {len(body):,} bytes is over the limit of {limit_bytes:,} and was left out"
    content = {**frame.content, "data": {"text/plain": note}, "metadata": {}}
    return framing.pack(msgspec.structs.replace(frame, content=content, buffers=[]))


def _short_lines(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _LINE_CHARS else f"{value[:_LINE_CHARS]}... ({len(value):,} characters)"
    if isinstance(value, list):
        kept = value if len(value) <= 40 else [*value[:20], f"... {len(value) - 40} more ...\n", *value[-20:]]
        return [_short_lines(line)[: _LINE_CHARS + 40] for line in kept]
    return value
