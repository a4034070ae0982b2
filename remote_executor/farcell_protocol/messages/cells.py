"""What a worker executes or is told, and what it needs for that: made by the SDK, opaque to everyone between.

The executor and the agent pass the encoded bytes on and never look inside.
"""

from typing import Any, Literal

import msgspec

RESULT = "_"
"""The name under which the value of a cell's `Out[n]` comes home."""


class Value(msgspec.Struct, frozen=True):
    """A named value as a pickle (protocol 5, in band), and the xxh3-128 of those bytes in hex."""

    name: str
    data: bytes
    digest: str


class Source(msgspec.Struct, frozen=True):
    """The code of a cell of the client's, for tracebacks: the file name that its functions carry, its number, its
    lines as Python."""

    file: str
    number: int
    text: str


class Cell(msgspec.Struct, frozen=True, omit_defaults=True):
    """One cell: IPython source, the values to bind before it runs, and the names that come back.

    `returns` are the names the cell reads or writes; after the cell, each whose value is new or
    changed comes back, by value up to `inline_limit_bytes` (the size of its pickle), else as a
    handle. `known` has, for each of these names the client already holds, the digest of what it
    holds: equal ones do not travel; an empty digest asks for a name that the client holds nothing of and the cell
    binds for certain, or that is a handle. `_` among `returns` asks for the value of the cell's `Out[n]`.
    `python` is the client's version ("3.11.7"): pickles are loaded only under the same minor version.
    `cell_name` is the file name that the client's shell gives the cell's code, `sources` the cells that functions
    among `values` were defined in: so a traceback names lines of the notebook on either side.
    `fetch` asks for the named values whole, whatever their size, and runs nothing.
    `execution_count` is the number of the local prompt, shown in tracebacks and `Out[n]`. `msg_id` is the id of the
    local request, which code finds as its parent (widgets do); `allow_stdin` says that somebody can answer `input()`.
    """

    source: str
    python: str
    values: list[Value] = []
    returns: list[str] = []
    known: dict[str, str] = {}
    inline_limit_bytes: int = 1 * 2**20
    execution_count: int = 0
    cell_name: str = ""
    sources: list[Source] = []
    fetch: list[str] = []
    msg_id: str = ""
    allow_stdin: bool = False


class InputReply(msgspec.Struct, frozen=True, tag="input-reply"):
    """What the user typed for the `input_request` that was frame `request` of the run it is told to."""

    request: int
    value: str


class CommMessage(msgspec.Struct, frozen=True, tag="comm", omit_defaults=True):
    """A front end's message to a comm of the session, unchanged; `msg_id` is the front end's, for answers to name."""

    msg_type: Literal["comm_open", "comm_msg", "comm_close"]
    content: dict[str, Any]
    metadata: dict[str, Any] = {}
    buffers: list[bytes] = []
    msg_id: str = ""


class InterruptHandler(msgspec.Struct, frozen=True, tag="interrupt-handler"):
    """Interrupt what handles a comm's message in the main thread now; neither a cell nor another thread is hit."""


Told = InputReply | CommMessage | InterruptHandler

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Cell)
_told_decoder: "msgspec.msgpack.Decoder[Told]" = msgspec.msgpack.Decoder(Told)


def encode_cell(cell: Cell) -> bytes:
    """The payload of a run."""
    return _encoder.encode(cell)


def decode_cell(payload: bytes) -> Cell:
    """Called in workers only."""
    return _decoder.decode(payload)


def encode_told(told: Told) -> bytes:
    """The payload of a `Tell`."""
    return _encoder.encode(told)


def decode_told(payload: bytes) -> Told:
    """Called in workers only."""
    return _told_decoder.decode(payload)
