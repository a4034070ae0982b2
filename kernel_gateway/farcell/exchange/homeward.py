"""Values coming home: bound in the namespace, unless this side has moved on meanwhile."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from farcell.analysis.names import Import
from farcell.analysis.needs import is_a
from farcell.exchange.imports import bind_module
from farcell.exchange.sessions import FarSession
from farcell.handles import Handle
from farcell.packing.values import digest_here
from farcell_protocol.frames import ValueBack, ValueInfo
from farcell_protocol.values import unpack_value

_NOTHING = object()


@dataclass(frozen=True)
class Departure:
    """What this side held when a run left: the objects by name, and the digests of those that were packed.

    `bound` has only names that existed; `sent` those whose value travelled. For a run of an
    earlier kernel it is empty, and then whatever exists here was bound after it left."""

    bound: Mapping[str, Any] = field(default_factory=dict)
    here: Mapping[str, str] = field(default_factory=dict)
    sent: frozenset[str] = frozenset()
    deletes: frozenset[str] = frozenset()
    imports: tuple[Import, ...] = ()
    cell: int = 0


@dataclass(frozen=True)
class Arrival:
    """A name that came home, its pieces joined."""

    name: str
    status: str
    data: bytes
    digest: str
    info: ValueInfo | None
    why: str


def joined(pieces: Iterable[ValueBack]) -> Iterator[Arrival]:
    """The arrivals among `pieces`; a value whose last piece is missing (a lost worker) is left out."""
    begun: dict[str, list[bytes]] = {}
    for piece in pieces:
        parts = begun.setdefault(piece.name, [])
        parts.append(piece.data)
        if not piece.more:
            data = b"".join(begun.pop(piece.name))
            yield Arrival(piece.name, piece.status, data, piece.digest, piece.info, piece.why)


class Homecoming:
    """Binds what one run sent home.

    `certain` says that the cell ran to its end while this side waited for it: only then are both sides known
    to hold the same. After any other run the names are sent again when they are next read."""

    def __init__(
        self,
        namespace: dict[str, Any],
        session: FarSession,
        left: Departure,
        certain: bool,
        fetch: Callable[[Handle], Any],
    ) -> None:
        self._namespace = namespace
        self._session = session
        self._left = left
        self._certain = certain
        self._fetch = fetch

    def bind(self, pieces: Iterable[ValueBack]) -> list[str]:
        """Bind all; returns what a person should be told."""
        for name in self._left.sent:  # what does not come back is there as it was sent
            self._exchange(name, self._left.here[name], self._left.here[name])
        return [note for arrival in joined(pieces) if (note := self._bind_one(arrival))]

    def _bind_one(self, arrival: Arrival) -> str:
        name = arrival.name
        if self._moved_on(name) and not self._is_here(arrival):
            self._session.ledger.forget(name)
            return f"{name} was bound anew here while the run was going; the value here stays"
        if arrival.status == "deleted":
            return self._delete(name)
        if arrival.status == "module":
            return self._bind_module(arrival)
        if arrival.status == "value":
            try:
                return self._bind_value(arrival, unpack_value(arrival.data))
            except Exception as err:  # whatever the value's own unpickling raises
                why = f"it cannot be loaded here: {type(err).__name__}: {err}"
                self._bind_handle(name, ValueInfo("?", ""), why)
                return f"{name} stayed there, {why}"
        self._bind_handle(name, arrival.info or ValueInfo("?", ""), arrival.why)
        return ""

    def _moved_on(self, name: str) -> bool:
        now = self._namespace.get(name, _NOTHING)
        before = self._left.bound.get(name, _NOTHING)
        if now is not before:
            return now is not _NOTHING
        if self._certain or name not in self._left.here or is_a(now, Handle):
            return False
        return digest_here(now, self._namespace) != self._left.here[name]  # changed in place

    def _is_here(self, arrival: Arrival) -> bool:
        """Whether the name is bound to what arrives: by an earlier look at the same run, say."""
        now = self._namespace.get(arrival.name, _NOTHING)
        if is_a(now, Handle):
            return arrival.status == "handle" and now.session == self._session.id and now.name == arrival.name
        if arrival.status == "module":
            return is_a(now, ModuleType) and now.__name__ == arrival.data.decode()
        return arrival.status == "value" and digest_here(now, self._namespace) == arrival.digest

    def _bind_value(self, arrival: Arrival, value: Any) -> str:
        name = arrival.name
        here = digest_here(value, self._namespace)
        # The same content in other bytes: the object that is here, and every other name for it, stays.
        if not here or here != self._left.here.get(name) or name not in self._namespace:
            self._namespace[name] = value
        self._exchange(name, here, arrival.digest)
        return ""

    def _exchange(self, name: str, here: str, there: str) -> None:
        if self._certain:
            self._session.ledger.exchange(name, here, there)
        else:
            self._session.ledger.forget(name)

    def _bind_handle(self, name: str, info: ValueInfo, why: str) -> None:
        self._session.ledger.forget(name)
        self._namespace[name] = Handle(self._session, name, info, self._left.cell, why, self._fetch)

    def _bind_module(self, arrival: Arrival) -> str:
        self._session.ledger.forget(arrival.name)
        bind_module(arrival.name, arrival.data.decode(), self._left.imports, self._namespace)
        return ""

    def _delete(self, name: str) -> str:
        if name in self._left.deletes or name in self._left.here or self._session.ledger.holds(name):
            self._namespace.pop(name, None)
        self._session.ledger.forget(name)
        return ""
