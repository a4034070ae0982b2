"""Watchers: clients that see the whole, kept up to date without asking.

A change of one noun shows in the views of others: a place in the queue, who holds a device. So after a change
all living nouns are looked at again, at most ten times a second per watcher, and what looks different is sent.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator

import msgspec

from farcell_executor.model import Run, RunState, Session, SessionState
from farcell_executor.runs import Runs
from farcell_executor.scheduling.machine import Machine
from farcell_executor.store.base import Noun
from farcell_executor.tokens import Identity
from farcell_executor.views import Views
from farcell_protocol.messages import api

AT_MOST_EVERY_S = 0.1
NEWEST_RUNS = 200
"""How many ended runs a whole view holds at most."""

_MOST_ENDED = 1000
"""More than that ended between two messages to a slow client: it is told the whole again instead."""


class Watchers:
    """Everybody who watches; told by the driver what changed."""

    def __init__(self, machine: Machine, views: Views, runs: Runs) -> None:
        self._machine = machine
        self._views = views
        self._runs = runs
        self._watching: set[Watching] = set()

    def changed(self, nouns: Iterable[Noun]) -> None:
        """Have every watcher look again."""
        for watching in self._watching:
            watching.take(nouns)

    def begin(self, who: Identity, wake: Callable[[], None]) -> "Watching":
        """One more; `wake` is called whenever `news` may have something to say."""
        watching = Watching(who, self._machine, self._views, self._runs, wake)
        self._watching.add(watching)
        wake()
        return watching

    def end(self, watching: "Watching") -> None:
        """One less."""
        self._watching.discard(watching)
        watching.close()


class Watching:
    """What one watcher has been told, and what it has not."""

    def __init__(self, who: Identity, machine: Machine, views: Views, runs: Runs, wake: Callable[[], None]) -> None:
        self._who = who
        self._machine = machine
        self._views = views
        self._runs = runs
        self._wake = wake
        self._told: dict[str, msgspec.Struct] = {}
        self._ended: dict[str, Run | Session] = {}
        self._is_whole_due = True
        self._is_stale = True
        self._pause: asyncio.TimerHandle | None = None

    def take(self, nouns: Iterable[Noun]) -> None:
        """Something changed."""
        for noun in nouns:
            if isinstance(noun, Run | Session) and self._sees(noun) and _has_ended(noun):
                self._ended[noun.id] = noun
        if len(self._ended) > _MOST_ENDED:
            self._ended.clear()
            self._is_whole_due = True
        self._is_stale = True
        if self._pause is None:
            self._wake()

    async def news(self) -> api.Fleet | None:
        """What to tell now; None if there is nothing, or something was told a moment ago: then it wakes later."""
        if not self._is_stale or self._pause is not None:
            return None
        self._pause = asyncio.get_running_loop().call_later(AT_MOST_EVERY_S, self._go_on)
        if self._is_whole_due or not self._knows_all_nodes():
            return await self._whole()
        self._is_stale = False
        fleet = self._fleet([], whole=False)
        return fleet if fleet.nodes or fleet.sessions or fleet.runs else None

    def close(self) -> None:
        """Wake nobody any more."""
        if self._pause is not None:
            self._pause.cancel()

    def _go_on(self) -> None:
        self._pause = None
        if self._is_stale:
            self._wake()

    async def _whole(self) -> api.Fleet:
        stored = await self._runs.all(self._who, NEWEST_RUNS)
        self._is_stale = self._is_whole_due = False
        self._told.clear()
        return self._fleet(stored, whole=True)

    def _fleet(self, stored: Iterable[Run], *, whole: bool) -> api.Fleet:
        """What differs from what was told, which it then is."""
        ended, self._ended = self._ended.values(), {}
        # Later ones replace earlier ones: what is stored may be older than what has just been heard.
        runs = {run.id: run for run in stored} | {one.id: one for one in ended if isinstance(one, Run)}
        runs |= {run.id: run for run in self._machine.runs.values() if self._sees(run)}
        sessions = {one.id: one for one in ended if isinstance(one, Session)}
        sessions |= {one.id: one for one in self._machine.sessions.values() if self._sees(one)}
        nodes = map(self._views.node, self._machine.nodes.values())
        return api.Fleet(
            nodes=[view for view in nodes if self._is_news(view.node, view)],
            sessions=list(self._news_of_sessions(map(self._views.session, sessions.values()))),
            runs=list(self._news_of_runs(map(self._views.run, runs.values()))),
            whole=whole,
            user=self._who.user if whole else "",
        )

    def _news_of_sessions(self, views: Iterable[api.SessionView]) -> Iterator[api.SessionView]:
        for view in views:
            if self._is_news(view.session, view, over=view.state == "ended"):
                yield view

    def _news_of_runs(self, views: Iterable[api.RunView]) -> Iterator[api.RunView]:
        for view in views:
            # Output is not followed here: how much of it there is changes all the time.
            news = msgspec.structs.replace(view, frames=0)
            if self._is_news(view.run, news, over=view.state == "ended"):
                yield view

    def _is_news(self, key: str, news: msgspec.Struct, *, over: bool = False) -> bool:
        if over:
            # It comes once, and what is over needs no remembering.
            self._told.pop(key, None)
            return True
        if self._told.get(key) == news:
            return False
        self._told[key] = news
        return True

    def _knows_all_nodes(self) -> bool:
        """Whether no node that was told of is gone."""
        nodes = self._machine.nodes
        return all(view.node in nodes for view in self._told.values() if isinstance(view, api.NodeView))

    def _sees(self, noun: Run | Session) -> bool:
        if isinstance(noun, Run) and noun.aside:
            return False
        return self._who.admin or self._who.user == noun.owner


def _has_ended(noun: Run | Session) -> bool:
    return noun.state is (RunState.ENDED if isinstance(noun, Run) else SessionState.ENDED)
