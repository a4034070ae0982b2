"""Messages larger than a frame should be: cut into `Piece` frames by the worker, joined by whoever shows them. Pure."""

from collections.abc import Iterator

from farcell_protocol.frames import Frame, Piece, decode_frame

PIECE_BYTES = 512 * 2**10


def cut(body: bytes, size_bytes: int = PIECE_BYTES) -> Iterator[Piece]:
    """The pieces of an encoded message, of at most `size_bytes` each."""
    view = memoryview(body)
    for index, start in enumerate(range(0, len(view), size_bytes)):
        yield Piece(index, bytes(view[start : start + size_bytes]), more=start + size_bytes < len(view))


class Joiner:
    """Takes a run's frames in order, and gives whole ones."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    @property
    def waiting(self) -> int:
        """How many of the newest frames are pieces of a message that is not whole yet."""
        return len(self._pieces)

    def copy(self) -> "Joiner":
        """One that goes on from here by itself; what waits is shared, not copied."""
        made = Joiner()
        made._pieces = list(self._pieces)
        return made

    def take(self, frame: Frame) -> Frame:
        """The same frame, but for the last piece of a message the message; other pieces come out empty.

        Pieces whose message does not become whole are forgotten: its worker died, or they are looked at from the
        middle.

        Raises:
            msgspec.DecodeError: what they make is no frame.
        """
        if not isinstance(frame, Piece):
            self._pieces.clear()
            return frame
        if frame.index != len(self._pieces):
            self._pieces.clear()
        if frame.index == len(self._pieces):
            self._pieces.append(frame.data)
            if not frame.more:
                body = b"".join(self._pieces)
                self._pieces.clear()
                return decode_frame(body)
        return Piece(frame.index, b"", more=frame.more)
