"""`%gpu vars`: where each variable lives. Pure but for looking at the values."""

import html
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from farcell.analysis.needs import is_a, may_change, travels
from farcell.exchange.sessions import FarSession
from farcell.exchange.standing import home_of
from farcell.handles import Handle, clock_text, size_text
from farcell.tables import table
from farcell_protocol.values import pack_value

NOTHING = "There are no variables yet. Bind some here, or write %%gpu above a cell to bind them there."

_HEAD = ("name", "type", "size", "where", "state")


@dataclass(frozen=True)
class Whereabouts:
    """One variable: `where` names the sides that have it, `state` says how they compare. No size is known for some."""

    name: str
    type: str
    size_bytes: int | None
    where: str
    state: str = ""

    @property
    def row(self) -> tuple[str, ...]:
        """What is printed of it."""
        size = size_text(self.size_bytes) if self.size_bytes is not None else ""
        return self.name, self.type, size, self.where, self.state


def variables_shown(namespace: Mapping[str, Any], sessions: Sequence[FarSession]) -> dict[str, str]:
    """The table in plain text and HTML, or a sentence if there is nothing to tell."""
    rows = [each.row for each in whereabouts(namespace, sessions)]
    if not rows:
        return {"text/plain": NOTHING}
    return {"text/plain": table(_HEAD, rows), "text/html": _html(rows)}


def whereabouts(namespace: Mapping[str, Any], sessions: Sequence[FarSession]) -> list[Whereabouts]:
    """Every variable that exists here, or that a living session is known to hold. Modules and definitions are none."""
    living = [session for session in sessions if session.alive]
    here = {name for name, value in namespace.items() if _is_variable(name, value)}
    there = {name for session in living for name in session.ledger.held}
    found: list[Whereabouts] = []
    for name in sorted(here | {name for name in there if name not in namespace}):
        holders = [session for session in living if session.ledger.holds(name)]
        found.append(_whereabouts_of(name, namespace, holders) if name in namespace else _only_there(name, holders))
    return found


def _is_variable(name: str, value: Any) -> bool:
    return not name.startswith("_") and travels(name, {name: value}) and may_change(value)


def _whereabouts_of(name: str, namespace: Mapping[str, Any], holders: Sequence[FarSession]) -> Whereabouts:
    value = namespace[name]
    if is_a(value, Handle):
        return _of_handle(name, value)
    if not holders:
        return Whereabouts(name, _type_name(value), _size_here(value), "here")
    try:
        packed = pack_value(value, namespace, 0)
    except Exception:  # whatever the value's own pickling raises: it is not what was exchanged
        size, digest = _size_here(value), ""
    else:
        size, digest = packed.size_bytes, packed.digest
    equal = all(session.ledger.stands(name, digest) for session in holders)
    where = "here and " + ", ".join(map(_session_text, holders))
    return Whereabouts(name, _type_name(value), size, where, "equal" if equal else "differs: the value here wins")


def _of_handle(name: str, handle: Handle) -> Whereabouts:
    home = home_of(handle)
    where = _session_text(home)
    if home.ended is not None:
        return Whereabouts(
            name, handle.info.type, None, where, f"gone {clock_text(home.ended)}: re-run cell [{handle.cell}]"
        )
    state = f"until {clock_text(home.expires).removeprefix('at ')}" if home.expires is not None else ""
    return Whereabouts(name, handle.info.type, handle.info.size_bytes, where, state)


def _only_there(name: str, holders: Sequence[FarSession]) -> Whereabouts:
    return Whereabouts(name, "", None, ", ".join(map(_session_text, holders)), "deleted here")


def _session_text(session: FarSession) -> str:
    """ "there (training s-0123456789ab, H100 (simulated))"; a default session has no name."""
    called = f"{session.key[1]} " if session.key[1] else ""
    return f"there ({called}{session.id}{f', {session.where}' if session.where else ''})"


def _type_name(value: Any) -> str:
    kind = type(value)
    home = kind.__module__
    return kind.__qualname__ if home in ("builtins", "__main__") else f"{home.partition('.')[0]}.{kind.__qualname__}"


def _size_here(value: Any) -> int | None:
    """What it takes here, as far as it says: arrays all of it, containers without what they contain."""
    try:
        size = getattr(value, "nbytes", None)
        return size if isinstance(size, int) else sys.getsizeof(value)
    except Exception:  # whatever the value raises when it is asked
        return None


def _html(rows: Sequence[Sequence[str]]) -> str:
    def line(tag: str, cells: Sequence[str]) -> str:
        inner = "".join(f"<{tag} style='text-align:left'>{html.escape(cell)}</{tag}>" for cell in cells)
        return f"<tr>{inner}</tr>"

    return f"<table>{line('th', _HEAD)}{''.join(line('td', row) for row in rows)}</table>"
