"""The store that forgets when its process ends: for tests, and for executors that are to leave nothing behind."""

from collections.abc import Collection, Iterable
from typing import TypeVar

from farcell_executor.model import (
    Node,
    NodeState,
    PrunedRun,
    Run,
    RunState,
    Session,
    SessionState,
    Token,
    Worker,
    WorkerState,
)
from farcell_executor.store.base import Noun, without_payload
from farcell_protocol.ids import NodeId, RunId, SessionId, TokenId, WorkerId

_Made = TypeVar("_Made", Run, Session)


class MemoryStore:
    """All nouns in dictionaries. Ended runs and sessions are kept until they are pruned."""

    durable = False

    def __init__(self) -> None:
        self._runs: dict[RunId, Run] = {}
        self._sessions: dict[SessionId, Session] = {}
        self._workers: dict[WorkerId, Worker] = {}
        self._nodes: dict[NodeId, Node] = {}
        self._tokens: dict[TokenId, Token] = {}
        self._pruned: dict[RunId, PrunedRun] = {}

    async def open(self) -> None:
        """Nothing to do."""

    async def save(self, nouns: Iterable[Noun]) -> None:
        """Store these nouns; a payload is dropped with the end of its run."""
        batch = list(nouns)
        for noun in batch:
            if not isinstance(noun, Run | Session | Worker | Node):
                raise TypeError(f"{type(noun).__name__} is not a noun this stores")
        for noun in batch:
            match noun:
                case Run():
                    self._runs[noun.id] = without_payload(noun) if noun.state is RunState.ENDED else noun
                case Session():
                    self._sessions[noun.id] = noun
                case Worker():
                    self._workers[noun.id] = noun
                case Node():
                    self._nodes[noun.id] = noun

    async def flush(self) -> None:
        """Nothing of this survives a power cut, so there is nothing to wait for."""

    async def close(self) -> None:
        """Nothing to do."""

    async def run(self, run: RunId) -> Run | None:
        """That run, or None."""
        return self._runs.get(run)

    async def runs(self, owner: str | None = None, *, unfinished: bool = False, limit: int = 1000) -> list[Run]:
        """The newest `limit` runs, of one owner or of all, oldest first."""
        return _newest(
            (
                run
                for run in self._runs.values()
                if owner in (None, run.owner) and not (unfinished and run.state is RunState.ENDED)
            ),
            limit,
        )

    async def session(self, session: SessionId) -> Session | None:
        """That session, or None."""
        return self._sessions.get(session)

    async def sessions(self, owner: str | None = None, *, alive: bool = False, limit: int = 1000) -> list[Session]:
        """The newest `limit` sessions, of one owner or of all, oldest first."""
        return _newest(
            (
                session
                for session in self._sessions.values()
                if owner in (None, session.owner) and not (alive and session.state is SessionState.ENDED)
            ),
            limit,
        )

    async def workers(self, *, alive: bool = True) -> list[Worker]:
        """All workers, oldest first; `alive` leaves out those that are gone."""
        found = [worker for worker in self._workers.values() if not (alive and worker.state is WorkerState.GONE)]
        return sorted(found, key=lambda worker: worker.created)

    async def nodes(self) -> list[Node]:
        """All nodes that were not given up, in the order in which they first came."""
        return [node for node in self._nodes.values() if node.state is not NodeState.GONE]

    async def find_workers(self, workers: Collection[WorkerId]) -> list[Worker]:
        """Those of these that are stored, gone or not."""
        return [self._workers[worker] for worker in workers if worker in self._workers]

    async def find_nodes(self, nodes: Collection[NodeId]) -> list[Node]:
        """Those of these that are stored, given up or not."""
        return [self._nodes[node] for node in nodes if node in self._nodes]

    async def save_token(self, token: Token) -> None:
        """Store a new or changed token."""
        self._tokens[token.id] = token

    async def token(self, token: TokenId) -> Token | None:
        """That token, revoked or not, or None."""
        return self._tokens.get(token)

    async def tokens(self) -> list[Token]:
        """All tokens, oldest first."""
        return sorted(self._tokens.values(), key=lambda token: token.created)

    async def ended_runs(self, limit: int) -> list[tuple[RunId, float]]:
        """The oldest `limit` ended runs by creation, each with the time of its end."""
        ended = [run for run in self._runs.values() if run.state is RunState.ENDED]
        ended.sort(key=lambda run: run.created)
        return [(run.id, run.ended or run.created) for run in ended[:limit]]

    async def prune(self, runs: Collection[RunId], now: float) -> None:
        """Remove those of these runs that have ended."""
        for run_id in runs:
            run = self._runs.get(run_id)
            if run is not None and run.state is RunState.ENDED:
                del self._runs[run_id]
                self._pruned[run_id] = PrunedRun(run_id, run.owner, run.ended or run.created, now)

    async def prune_sessions(self, before: float) -> None:
        """Remove the sessions that ended before then, and gone workers whose session is not stored any more."""
        for session in list(self._sessions.values()):
            if session.state is SessionState.ENDED and session.ended is not None and session.ended < before:
                del self._sessions[session.id]
        for worker in list(self._workers.values()):
            if worker.state is WorkerState.GONE and worker.session not in self._sessions:
                del self._workers[worker.id]

    async def pruned(self, run: RunId) -> PrunedRun | None:
        """What is remembered of that run, or None if it never was pruned."""
        return self._pruned.get(run)

    async def pruned_runs(self, limit: int) -> list[RunId]:
        """The `limit` runs that were pruned last."""
        return list(self._pruned)[-limit:]


def _newest(found: Iterable[_Made], limit: int) -> list[_Made]:
    in_order = sorted(found, key=lambda noun: noun.created)  # stable: the order of saving within one instant
    return in_order[max(0, len(in_order) - limit) :]
