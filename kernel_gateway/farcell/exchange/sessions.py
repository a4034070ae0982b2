"""The sessions this notebook has used, and what it knows of each."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from farcell.packing.ledger import Ledger
from farcell.status import where_text
from farcell_protocol.errors import ErrorInfo, SessionEnded
from farcell_protocol.ids import SessionId
from farcell_protocol.messages.api import DEFAULT_SCALEDOWN_S, RunView

Key = tuple[str, str]
"""A canonical GPU specification and a session's name, empty for the default session."""


@dataclass
class Results:
    """The results that a session displayed: the last one as it is here, and the numbers of the cells of this kernel."""

    last: object = None
    numbers: set[int] = field(default_factory=set)

    def note(self, result: object, number: int | None) -> None:
        """`result` is now `_` on both sides, and `_7` if the cell has a number here."""
        self.last = result
        self.numbers |= {number} if number is not None else set()


@dataclass
class FarSession:
    """One session as this notebook sees it. `expires` (epoch seconds) is when it is released unless used.

    `notebook` names another notebook whose default session it is: a cell of this one never runs in it.
    `ended` is set when it is known to be gone, and `reason` says why."""

    id: SessionId
    key: Key
    where: str = ""
    once: bool = False
    notebook: str = ""
    expires: float | None = None
    ended: float | None = None
    reason: ErrorInfo | None = None
    ledger: Ledger = field(default_factory=Ledger)
    results: Results = field(default_factory=Results)

    @property
    def alive(self) -> bool:
        """Whether it is still there, as far as this side has heard."""
        return self.ended is None

    def end(self, reason: ErrorInfo | None, at: float | None = None) -> None:
        """It is gone, and everything in it."""
        if self.ended is None:
            self.ended = time.time() if at is None else at
            self.reason = reason
            self.expires = None
            self.ledger.held.clear()


@dataclass
class Sessions:
    """Finds a session by what a cell asks for, or by its id."""

    _by_id: dict[SessionId, FarSession] = field(default_factory=dict)
    _by_key: dict[Key, FarSession] = field(default_factory=dict)

    def expected(self, key: Key) -> FarSession | None:
        """The living session that a cell asking for `key` will probably get."""
        found = self._by_key.get(key)
        return found if found is not None and found.alive else None

    def meet(self, session: SessionId, key: Key, *, once: bool = False) -> FarSession:
        """A run of this notebook is in this session; one for the same key that was known before has ended."""
        found = self.visit(session, key, once=once)
        if not once:
            before = self._by_key.get(key)
            if before is not None and before is not found:
                before.end(SessionEnded("another session took its place").info())
            self._by_key[key] = found
        return found

    def visit(self, session: SessionId, key: Key, *, once: bool = False, notebook: str = "") -> FarSession:
        """A run that is only looked at is in this session; what a cell will get is not changed by it."""
        return self._by_id.setdefault(session, FarSession(session, key, once=once, notebook=notebook))

    def saw(self, view: RunView, key: Key, *, once: bool = False) -> None:
        """The state of a run of this notebook changed: what it tells of its session. A refused run has none."""
        if view.session:
            _note(self.meet(view.session, key, once=once), view)

    def saw_elsewhere(self, view: RunView, key: Key, notebook: str) -> None:
        """The same for a run in a session that no cell of this notebook will get; `notebook` as in `FarSession`."""
        if view.session:
            _note(self.visit(view.session, key, notebook=notebook), view)

    def __iter__(self) -> Iterator[FarSession]:
        """All that were met, the oldest first."""
        return iter(self._by_id.values())

    def get(self, session: SessionId) -> FarSession | None:
        """The session of that id, if this notebook has met it."""
        return self._by_id.get(session)


def ledger_of(session: FarSession | None) -> Ledger:
    """The session's ledger; an empty one for a session yet to come."""
    return session.ledger if session is not None else Ledger()


def _note(session: FarSession, view: RunView) -> None:
    session.where = where_text(view.worker) or session.where
    if session.alive:
        session.expires = view.ended + DEFAULT_SCALEDOWN_S if view.ended is not None else None
