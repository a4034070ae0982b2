"""What the browser and this server say to each other on `farcell/live`: JSON, mostly the executor's own messages.

The browser says everything it wants after each `up`: a link that broke, a laptop that slept and a page that was loaded
again are all the same to it. `follow` names the last frame it has.
"""

import msgspec

from farcell_protocol.errors import ErrorInfo
from farcell_protocol.frames import Elided, End, Frame, Heard, Message, Piece, ValueBack, ValueInfo, decode_frame
from farcell_protocol.ids import RunId
from farcell_protocol.messages.api import (
    Cancel,
    Fleet,
    Follow,
    Interrupt,
    Refused,
    RunChanged,
    RunFrames,
    ToClient,
    Unfollow,
    Unwatch,
    Watch,
)
from farcell_protocol.pieces import Joiner

FromBrowser = Follow | Unfollow | Interrupt | Cancel | Watch | Unwatch
"""All that a browser may say; what it says beyond that is refused, and reaches no executor."""


class Up(msgspec.Struct, frozen=True, tag="up", omit_defaults=True):
    """The executor answers: the one at `where`, or this server's own. Nothing is followed or watched yet."""

    where: str = ""


class Down(msgspec.Struct, frozen=True, tag="down"):
    """The executor cannot be reached, for this reason; what runs there goes on. It is tried again, after `again_s`."""

    error: ErrorInfo
    again_s: float


class ShownValue(msgspec.Struct, frozen=True, tag="value", omit_defaults=True):
    """A name that came home to the user's kernel. Its value is none of the browser's business."""

    name: str
    status: str
    info: ValueInfo | None = None
    why: str = ""


class ShownPiece(msgspec.Struct, frozen=True, tag="piece"):
    """Counts, and is nothing: the message it is a part of comes whole, with the number of its last part. Whoever asks
    again does so from before the first of these."""


ShownFrame = Message | ShownValue | ShownPiece | Elided | Heard | End


class ShownFrames(msgspec.Struct, frozen=True, tag="frames"):
    """Frames of a followed run, numbered from `first` without gaps; buffers are base64."""

    run: str
    first: int
    frames: list[ShownFrame]


ToBrowser = Up | Down | RunChanged | ShownFrames | Fleet | Refused

_decoder: "msgspec.json.Decoder[FromBrowser]" = msgspec.json.Decoder(FromBrowser)


def read(text: str | bytes) -> FromBrowser:
    """What the browser said.

    Raises:
        msgspec.DecodeError: it is none of the messages.
    """
    try:
        return _decoder.decode(text)
    except RecursionError as err:
        raise msgspec.DecodeError("it is nested too deep") from err


class Reading:
    """Turns what one link's executor says into what the browser is told; puts messages in pieces together."""

    def __init__(self) -> None:
        self._joiners: dict[RunId, Joiner] = {}

    def shown(self, message: ToClient) -> ToBrowser:
        """What the executor said, as the browser is told it.

        Raises:
            msgspec.DecodeError: a frame cannot be read.
        """
        if isinstance(message, RunChanged) and message.view.state == "ended":
            self._joiners.pop(message.view.run, None)
        if not isinstance(message, RunFrames):
            return message
        joiner = self._joiners.setdefault(message.run, Joiner())
        frames = [_shown(joiner.take(decode_frame(frame))) for frame in message.frames]
        return ShownFrames(message.run, message.first, frames)


def _shown(frame: Frame) -> ShownFrame:
    match frame:
        case ValueBack():
            return ShownValue(frame.name, frame.status, frame.info, frame.why)
        case Piece():
            return ShownPiece()
    return frame


def write(message: ToBrowser) -> bytes:
    """A message as JSON."""
    return msgspec.json.encode(message)
