"""The store: one small interface per noun, written as a contract that every store's suite checks.

1. `save` is atomic: after it returns, all its nouns are stored, or after an error none is.
2. `save` replaces a noun with the same id, but for its owner and time of creation, which never change;
   saving the same twice is as saving it once.
3. What `save` stored survives the process (SQL stores; the memory store says so in `durable`).
4. `flush` returns once everything saved before it would survive a power cut; many waiting calls share one fsync.
5. Reads see every save that returned before them. Lists are ordered by creation, oldest first.
6. Methods may be called from any task of one event loop, and at the same time.
7. A run's payload is kept until the run has ended, and no longer.
8. `prune` removes ended runs only, and remembers of each what `PrunedRun` has.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Protocol

import msgspec

from farcell_executor.model import Node, PrunedRun, Run, Session, Token, Worker
from farcell_protocol.ids import NodeId, RunId, SessionId, TokenId, WorkerId

Noun = Run | Session | Worker | Node


def without_payload(run: Run) -> Run:
    """The run as it is kept once it has ended: what it executed is in the notebook, not here."""
    return replace(run, request=msgspec.structs.replace(run.request, payload=b""))


class RunStore(Protocol):
    """Runs by id, and the lists people look at."""

    async def run(self, run: RunId) -> Run | None:
        """That run, or None."""

    async def runs(self, owner: str | None = None, *, unfinished: bool = False, limit: int = 1000) -> list[Run]:
        """The newest `limit` runs, of one owner or of all; `unfinished` leaves out the ended ones."""


class SessionStore(Protocol):
    """Sessions by id, and the lists people look at."""

    async def session(self, session: SessionId) -> Session | None:
        """That session, or None."""

    async def sessions(self, owner: str | None = None, *, alive: bool = False, limit: int = 1000) -> list[Session]:
        """The newest `limit` sessions, of one owner or of all; `alive` leaves out the ended ones."""


class FleetStore(Protocol):
    """Workers and nodes: what a restarted executor begins from."""

    async def workers(self, *, alive: bool = True) -> list[Worker]:
        """All workers, oldest first; `alive` leaves out those that are gone."""

    async def nodes(self) -> list[Node]:
        """All nodes that were not given up, in the order in which they first came."""

    async def find_workers(self, workers: Collection[WorkerId]) -> list[Worker]:
        """Those of these that are stored, gone or not, in no order."""

    async def find_nodes(self, nodes: Collection[NodeId]) -> list[Node]:
        """Those of these that are stored, given up or not, in no order."""


class TokenStore(Protocol):
    """Tokens; only their digests are stored."""

    async def save_token(self, token: Token) -> None:
        """Store a new or changed token."""

    async def token(self, token: TokenId) -> Token | None:
        """That token, revoked or not, or None."""

    async def tokens(self) -> list[Token]:
        """All tokens, oldest first."""


class RetentionStore(Protocol):
    """What is removed when it is old, and what is remembered of it."""

    async def ended_runs(self, limit: int) -> list[tuple[RunId, float]]:
        """The oldest `limit` ended runs by creation, each with the time of its end."""

    async def prune(self, runs: Collection[RunId], now: float) -> None:
        """Remove those of these runs that have ended."""

    async def prune_sessions(self, before: float) -> None:
        """Remove the sessions that ended before then, and gone workers whose session is not stored any more."""

    async def pruned(self, run: RunId) -> PrunedRun | None:
        """What is remembered of that run, or None if it never was pruned."""

    async def pruned_runs(self, limit: int) -> list[RunId]:
        """The `limit` runs that were pruned last."""


class Store(RunStore, SessionStore, FleetStore, TokenStore, RetentionStore, Protocol):
    """All nouns, with what concerns them together."""

    durable: bool

    async def open(self) -> None:
        """Connect and bring the schema up to date. Called once, before anything else.

        Raises:
            SchemaTooNew: a newer program wrote it.
            StoreError: it cannot be opened, or is no database.
        """

    async def save(self, nouns: Iterable[Noun]) -> None:
        """Store these nouns in one transaction.

        Raises:
            StoreError, DiskFull: nothing of it was stored.
        """

    async def flush(self) -> None:
        """Wait until everything saved so far would survive a power cut (group commit)."""

    async def close(self) -> None:
        """Finish what was begun and let go of the files; may be called twice."""
