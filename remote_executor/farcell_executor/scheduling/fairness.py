"""Whose turn it is: first come, first served, without letting devices stand idle that the first cannot use.

A session that cannot be placed now reserves every device it could ever be given. Those behind it in
line may go ahead only on devices outside of that, so it is never overtaken on what it waits for and
cannot starve.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from farcell_executor.model import Session, SessionState
from farcell_executor.scheduling.books import Books, Claim
from farcell_executor.scheduling.placement import Placement, place, usable
from farcell_protocol.gpus import GpuSpec, parse_gpus


@lru_cache(maxsize=1024)
def spec_of(gpu: str) -> GpuSpec:
    """The specification behind a session's canonical text."""
    return parse_gpus(gpu)


@dataclass
class _Waiting:
    """The sessions of one specification that were passed over in this round."""

    devices: frozenset[Claim]
    count: int = 0


def next_turns(books: Books) -> Iterator[tuple[Session, Placement]]:
    """Who may start now, and where, in order. The caller starts each before asking for the next.

    Leaves every waiting session's place in line in `books.places`.
    """
    passed_over: dict[str, _Waiting] = {}
    reserved: set[Claim] = set()
    line = [session for session in books.sessions.values() if session.state is SessionState.WAITING]
    for session in sorted(line, key=lambda session: session.created):
        if session.gpu not in passed_over:
            spec = spec_of(session.gpu)
            found = place(spec, books.nodes.values(), books.claims.keys() | reserved)
            if found is not None:
                books.places.pop(session.id, None)
                yield session, found
                continue
            passed_over[session.gpu] = _Waiting(usable(spec, books.nodes.values()))
            reserved |= passed_over[session.gpu].devices
        mine = passed_over[session.gpu]
        books.places[session.id] = 1 + sum(
            other.count for other in passed_over.values() if other is mine or other.devices & mine.devices
        )
        mine.count += 1
