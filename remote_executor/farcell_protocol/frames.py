"""What a run can report: numbered frames, kept in its log and replayed to any follower.

An output frame holds a Jupyter message unchanged. Numbers start at 1, have no gaps, and the last
frame of every run is its `End`: whoever has seen it has seen everything.
"""

from typing import Any, Literal

import msgspec

from farcell_protocol.errors import ErrorInfo
from farcell_protocol.ids import TellId

MAX_FRAME_BYTES = 1 * 2**20
"""What a worker keeps a frame under; larger values are cut into several `ValueBack` frames, and a larger message into
`Piece`s."""

MAX_MESSAGE_BYTES = 128 * 2**20
"""The largest message that is cut into pieces: room for an image of 90 MB in base 64. Who shows it holds it whole."""

VALUE_CHUNK_BYTES = 512 * 2**10


SHOWN = "farcell_shown"
"""In the metadata of an `error` message: what it says has been printed before, as IPython does with a usage error; it
only tells how the cell ended."""


class Message(msgspec.Struct, frozen=True, tag="message", omit_defaults=True):
    """A Jupyter message, unchanged: output of every kind, `comm_open` and its kin, `input_request`.

    `parent` is the id of the client's own message that it answers; empty for the request the run is of. In a comms
    run a `status` ("idle") says that nothing more comes in answer to that message; there are no other statuses.
    """

    msg_type: str
    content: dict[str, Any]
    metadata: dict[str, Any] = {}
    buffers: list[bytes] = []
    parent: str = ""


class ValueInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a handle shows of a value that stayed there. Sizes are bytes."""

    type: str
    repr: str
    size_bytes: int | None = None
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    device: str | None = None


class ValueBack(msgspec.Struct, frozen=True, tag="value", omit_defaults=True):
    """A name the cell bound or changed, coming home: by value in pieces, as a handle, as a module, or deleted.

    `status` is "value" (the pickle is the joined `data` of this frame and those before it until
    `more` is false; `digest` is the xxh3-128 of the whole), "handle" (it stayed; `why` says why),
    "module" (`data` is the name to import it by) or "deleted" (the cell deleted it). The name `_` is the
    value that the cell displayed as its result.
    """

    name: str
    status: Literal["value", "handle", "module", "deleted"]
    data: bytes = b""
    more: bool = False
    digest: str = ""
    info: ValueInfo | None = None
    why: str = ""


class Piece(msgspec.Struct, frozen=True, tag="piece", omit_defaults=True):
    """A part of a `Message` that would be over `MAX_FRAME_BYTES`: its encoded bytes are the joined `data` of all its
    pieces. They follow each other, `index` from 0, until `more` is false. See `pieces`."""

    index: int
    data: bytes
    more: bool = False


class Elided(msgspec.Struct, frozen=True, tag="elided"):
    """Frames `first` to `last` were replaced by later ones (progress bars) and are not kept."""

    first: int
    last: int
    size_bytes: int


class Heard(msgspec.Struct, frozen=True, tag="heard"):
    """The worker has these `Tell`s; whoever sent them need not send them again."""

    tells: list[TellId]


Outcome = Literal["ok", "error", "cancelled", "timed-out", "lost", "refused"]
"""How a run ended: `error` is the user's own exception, `lost` a worker that died under it."""


class Variable(msgspec.Struct, frozen=True, omit_defaults=True):
    """A name in a session's namespace, and what its type says of it. Sizes are bytes."""

    name: str
    type: str
    size_bytes: int | None = None
    shape: tuple[int, ...] | None = None


class Variables(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a session's namespace held when a cell ended, by name: no modules, functions, classes, or names that begin
    with an underscore. There are `more` than those `listed`."""

    listed: list[Variable] = []
    more: int = 0


class End(msgspec.Struct, frozen=True, tag="end", omit_defaults=True):
    """The last frame of a run. `reason` is set unless the outcome is "ok" or the user's own "error"; `variables` only
    where the worker knows them."""

    outcome: Outcome
    reason: ErrorInfo | None = None
    execution_count: int | None = None
    variables: Variables | None = None


Frame = Message | ValueBack | Piece | Elided | Heard | End

_decoder: "msgspec.msgpack.Decoder[Frame]" = msgspec.msgpack.Decoder(Frame)


def decode_frame(body: bytes | msgspec.Raw) -> Frame:
    """One frame from its msgpack bytes.

    Raises:
        msgspec.DecodeError: they are none.
    """
    try:
        return _decoder.decode(body)
    except RecursionError as err:
        raise msgspec.DecodeError("it is nested too deep") from err
