"""Nouns to rows and back: scalars as they are, structs as JSON, states by their names."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Table

from farcell_executor.model import (
    Device,
    Node,
    NodeState,
    Run,
    RunState,
    Session,
    SessionState,
    Token,
    Worker,
    WorkerState,
)
from farcell_executor.store import schema
from farcell_executor.store.base import without_payload
from farcell_protocol.errors import ErrorInfo
from farcell_protocol.ids import DeviceId
from farcell_protocol.messages.api import RunRequest

Kept = Run | Session | Worker | Node | Token
_Noun = TypeVar("_Noun", Run, Session, Worker, Node, Token)

TABLES: Mapping[type[Kept], Table] = {
    Run: schema.runs,
    Session: schema.sessions,
    Worker: schema.workers,
    Node: schema.nodes,
    Token: schema.tokens,
}

_error = msgspec.json.Decoder(ErrorInfo)
_readers: dict[type[Kept], dict[str, Any]] = {
    Run: {
        "state": RunState,
        "request": msgspec.json.Decoder(RunRequest).decode,
        "reason": _error.decode,
        "stop_reason": _error.decode,
    },
    Session: {"state": SessionState, "once": bool, "reason": _error.decode},
    Worker: {
        "state": WorkerState,
        "devices": msgspec.json.Decoder(tuple[DeviceId, ...]).decode,
        "reason": _error.decode,
    },
    Node: {
        "state": NodeState,
        "embedded": bool,
        "devices": msgspec.json.Decoder(tuple[Device, ...]).decode,
        "notes": msgspec.json.Decoder(tuple[str, ...]).decode,
    },
    Token: {},
}
_as_json = frozenset({"request", "reason", "stop_reason", "devices", "notes"})
_names: dict[type[Kept], tuple[str, ...]] = {kind: tuple(field.name for field in fields(kind)) for kind in TABLES}
_encode = msgspec.json.Encoder().encode


def to_row(noun: Kept) -> dict[str, Any]:
    """The columns of a noun; a run's payload is not among them."""
    if type(noun) not in TABLES:
        raise TypeError(f"{type(noun).__name__} is not a noun this stores")
    if isinstance(noun, Run):
        noun = without_payload(noun)
    row: dict[str, Any] = {name: getattr(noun, name) for name in _names[type(noun)]}
    for name in row.keys() & _as_json:
        if row[name] is not None:
            row[name] = _encode(row[name]).decode()
    if "state" in row:
        row["state"] = str(row["state"])
    return row


def from_row(kind: type[_Noun], row: Mapping[str, Any]) -> _Noun:
    """The noun of a row; a run comes with the payload in the row's `payload`, if there is one."""
    readers = _readers[kind]
    values: dict[str, Any] = {}
    for name in _names[kind]:
        value, read = row[name], readers.get(name)
        values[name] = value if read is None or value is None else read(value)
    payload = row.get("payload")
    if payload:
        values["request"] = msgspec.structs.replace(values["request"], payload=payload)
    return kind(**values)
