"""What a worker executes, and what it needs for that: made by the SDK, opaque to everyone between.

The executor and the agent pass the encoded bytes on and never look inside.
"""

import msgspec


class Value(msgspec.Struct, frozen=True):
    """A named value as a pickle (protocol 5, in band), and the xxh3-128 of those bytes in hex."""

    name: str
    data: bytes
    digest: str


class Cell(msgspec.Struct, frozen=True, omit_defaults=True):
    """One cell: IPython source, the values to bind before it runs, and the names that come back.

    `returns` are the names the cell reads or writes; after the cell, each whose value is new or
    changed comes back, by value up to `inline_limit_bytes` (the size of its pickle), else as a
    handle. `known` has, for each of these names the client already holds, the digest of what it
    holds: equal ones do not travel. `python` is the client's version ("3.11.7"): pickles are loaded
    only under the same minor version. `fetch` asks for the named values whole, whatever their size, and runs nothing.
    `execution_count` is the number of the local prompt, shown in tracebacks and `Out[n]`.
    """

    source: str
    python: str
    values: list[Value] = []
    returns: list[str] = []
    known: dict[str, str] = {}
    inline_limit_bytes: int = 1 * 2**20
    execution_count: int = 0
    cell_name: str = ""
    fetch: list[str] = []


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Cell)


def encode_cell(cell: Cell) -> bytes:
    """The payload of a run."""
    return _encoder.encode(cell)


def decode_cell(payload: bytes) -> Cell:
    """Called in workers only."""
    return _decoder.decode(payload)
