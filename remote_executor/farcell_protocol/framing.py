"""Messages to bytes and back for byte streams and for files. No input or output here.

A record is a 4-byte big-endian length followed by that many bytes. Sockets carry records, and the
run log and the keeper's spool are files of nothing but records, so a torn tail is easy to see.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from farcell_protocol.errors import FramingError, MessageTooLarge

PREFIX_BYTES = 4
MAX_RECORD_BYTES = 64 * 2**20
"""The largest record anybody may send. Output frames stay far below it: see `frames.MAX_FRAME_BYTES`."""

MAX_PAYLOAD_BYTES = MAX_RECORD_BYTES - 64 * 2**10
"""The largest payload of a message, with room for whatever else is in it on any link."""

_encoder = msgspec.msgpack.Encoder()


def pack(message: msgspec.Struct) -> bytes:
    """One message as msgpack, without a length."""
    return _encoder.encode(message)


def record(body: bytes) -> bytes:
    """`body` with its length in front.

    Raises:
        MessageTooLarge: the body is over `MAX_RECORD_BYTES`.
    """
    if len(body) > MAX_RECORD_BYTES:
        raise _too_large(len(body))
    return len(body).to_bytes(PREFIX_BYTES, "big") + body


def check_payload(size_bytes: int, what: str) -> None:
    """See that a payload fits into a message on every link; `what` begins the sentence ("the cell and its values are").

    Raises:
        MessageTooLarge: it does not.
    """
    if size_bytes > MAX_PAYLOAD_BYTES:
        text = f"{what} {size_bytes:,} bytes, over the limit of {MAX_PAYLOAD_BYTES:,}"
        raise MessageTooLarge(text, size_bytes=size_bytes, limit_bytes=MAX_PAYLOAD_BYTES)


def encode(message: msgspec.Struct) -> bytes:
    """One message as a record."""
    return record(pack(message))


def encode_into(message: msgspec.Struct, buffer: bytearray) -> None:
    """Append one message to `buffer` as a record, without an intermediate copy of the body.

    Raises:
        MessageTooLarge: the body is over `MAX_RECORD_BYTES`; the buffer is as it was.
    """
    start = len(buffer)
    buffer.extend(b"\0" * PREFIX_BYTES)
    _encoder.encode_into(message, buffer, -1)
    size = len(buffer) - start - PREFIX_BYTES
    if size > MAX_RECORD_BYTES:
        del buffer[start:]
        raise _too_large(size)
    buffer[start : start + PREFIX_BYTES] = size.to_bytes(PREFIX_BYTES, "big")


def _too_large(size_bytes: int) -> MessageTooLarge:
    text = f"a message of {size_bytes:,} bytes is over the limit of {MAX_RECORD_BYTES:,}"
    return MessageTooLarge(text, size_bytes=size_bytes, limit_bytes=MAX_RECORD_BYTES)


class RecordReader:
    """Cuts a byte stream into records; feed it what arrives, in any pieces."""

    def __init__(self, max_record_bytes: int = MAX_RECORD_BYTES) -> None:
        self._max = max_record_bytes
        self._buffer = bytearray()

    @property
    def pending_bytes(self) -> int:
        """Bytes received that do not yet make a whole record; not zero at the end means a torn stream."""
        return len(self._buffer)

    def receive_bytes(self, data: bytes) -> Iterator[bytes]:
        """Add `data`, and yield each record's body that is now whole.

        Raises:
            FramingError: a length over the limit, so the stream cannot be read any further.
        """
        buffer = self._buffer
        buffer += data
        start = 0
        try:
            while len(buffer) - start >= PREFIX_BYTES:
                size = int.from_bytes(buffer[start : start + PREFIX_BYTES], "big")
                if size > self._max:
                    raise FramingError(
                        f"a record claims {size:,} bytes, over the limit of {self._max:,}", size_bytes=size
                    )
                end = start + PREFIX_BYTES + size
                if len(buffer) < end:
                    break
                body = bytes(memoryview(buffer)[start + PREFIX_BYTES : end])
                start = end
                yield body
        finally:
            del buffer[:start]


def whole_records(data: bytes | memoryview) -> Iterator[tuple[int, int]]:
    """(start, end) of each whole record's body in `data`; a torn record at the end is left out."""
    start = 0
    view = memoryview(data)
    while len(view) - start >= PREFIX_BYTES:
        size = int.from_bytes(view[start : start + PREFIX_BYTES], "big")
        end = start + PREFIX_BYTES + size
        if end > len(view):
            return
        yield start + PREFIX_BYTES, end
        start = end


def unpack(body: bytes, decoder: "msgspec.msgpack.Decoder[Any]", *, who: str) -> Any:
    """Decode one message from `who`, turning what msgspec says into our own error.

    Raises:
        FramingError: not the message that was expected.
    """
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, RecursionError) as err:  # the latter where it is nested too deep
        raise FramingError(f"cannot read a message of {len(body):,} bytes from {who}: {err}") from err
