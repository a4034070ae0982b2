"""Distinct types for the ids of the nouns, and how new ones are made."""

import secrets
from typing import NewType

RunId = NewType("RunId", str)
SessionId = NewType("SessionId", str)
WorkerId = NewType("WorkerId", str)
NodeId = NewType("NodeId", str)
DeviceId = NewType("DeviceId", str)
TokenId = NewType("TokenId", str)
TellId = NewType("TellId", str)

# Crockford's base 32 in lower case: no i, l, o, u, so an id can be read aloud and typed.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH = 12  # 60 random bits: ids are unguessable labels, tokens are what grants access


def _new(prefix: str) -> str:
    bits = secrets.randbits(5 * _LENGTH)  # at once: one call of the system each would be felt in a short cell
    return f"{prefix}-" + "".join(_ALPHABET[bits >> 5 * place & 31] for place in range(_LENGTH))


def new_run_id() -> RunId:
    """A fresh run id. The client makes it, so that a request sent twice is one run."""
    return RunId(_new("r"))


def new_session_id() -> SessionId:
    """A fresh session id."""
    return SessionId(_new("s"))


def new_worker_id() -> WorkerId:
    """A fresh worker id; keepers start at most one worker per id."""
    return WorkerId(_new("w"))


def new_node_id() -> NodeId:
    """A fresh node id; an agent makes it once and keeps it in its data directory."""
    return NodeId(_new("n"))


def new_token_id() -> TokenId:
    """A fresh token id: the public half of a token, which finds its row."""
    return TokenId(_new("t"))


def new_tell_id() -> TellId:
    """A fresh id of a `Tell`. The client makes it, so that the same one sent twice is obeyed once."""
    return TellId(_new("m"))


def comms_run_of(session: SessionId) -> RunId:
    """The run that carries a session's comms: the same for everybody who asks, so that there is one."""
    return RunId("r-" + session.partition("-")[2])


def is_id(text: str, prefix: str) -> bool:
    """Whether `text` has the exact form of an id with this prefix; used before it names a file."""
    head, dash, tail = text.partition("-")
    return head == prefix and bool(dash) and len(tail) == _LENGTH and all(c in _ALPHABET for c in tail)
