"""Followers: each client's runs, pushed at the client's own pace from the run logs.

A connection has one task that sends. It takes the followed runs in turn, a bounded batch of frames
each, and waits for the socket in between: a slow reader costs a few bytes of memory, not a copy of the output.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack
from typing import TypeVar

import msgspec

from farcell_executor.model import Run, RunState, Session, Worker
from farcell_executor.runlog import Cursor
from farcell_executor.runlogs import RunLogs
from farcell_executor.runs import Runs
from farcell_executor.store.base import Noun
from farcell_executor.tokens import Identity
from farcell_executor.views import Views
from farcell_executor.watchers import Watchers, Watching
from farcell_protocol.errors import DiskFailed, FarcellError
from farcell_protocol.framing import pack
from farcell_protocol.ids import RunId, SessionId
from farcell_protocol.messages import api

_Key = TypeVar("_Key", RunId, SessionId)

_MOST_ANSWERS = 1000


class Followers:
    """Everybody who follows anything; told by the driver what changed."""

    def __init__(self) -> None:
        self._by_run: dict[RunId, set[_Followed]] = {}
        self._by_session: dict[SessionId, set[_Followed]] = {}
        self.connections = 0

    def changed(self, nouns: Iterable[Noun]) -> None:
        """Wake whoever follows one of these."""
        for noun in nouns:
            if isinstance(noun, Run):
                for followed in self._by_run.get(noun.id, ()):
                    followed.take(noun)
            elif isinstance(noun, Session):
                self._refresh(noun.id)
            elif isinstance(noun, Worker):
                self._refresh(noun.session)

    def add(self, followed: "_Followed") -> None:
        """Tell this one of changes, until it is removed."""
        self._by_run.setdefault(followed.run.id, set()).add(followed)
        self._by_session.setdefault(followed.run.session, set()).add(followed)

    def remove(self, followed: "_Followed") -> None:
        """Tell it no more."""
        _discard(self._by_run, followed.run.id, followed)
        _discard(self._by_session, followed.run.session, followed)

    def _refresh(self, session: SessionId) -> None:
        for followed in self._by_session.get(session, ()):
            followed.refresh()


class Connection:
    """One client's stream: what it asks is done in order, what it follows is sent by `pump`."""

    def __init__(
        self,
        who: Identity,
        followers: Followers,
        runs: Runs,
        views: Views,
        logs: RunLogs,
        watchers: Watchers,
        send: Callable[[bytes], Awaitable[None]],
    ) -> None:
        self._who = who
        self._followers = followers
        self._runs = runs
        self._views = views
        self._logs = logs
        self._watchers = watchers
        self._send = send
        self._watching: Watching | None = None
        self._followed: dict[RunId, _Followed] = {}
        self._answers: deque[bytes] = deque()
        self._due: dict[RunId, _Followed] = {}
        self._wake = asyncio.Event()

    async def obey(self, message: api.FromClient) -> None:
        """Do what the client asks; what cannot be done is answered with `Refused`."""
        try:
            await self._do(message)
        except FarcellError as err:
            self.refuse(_run_of(message), err)

    def refuse(self, run: RunId | None, err: FarcellError) -> None:
        """Answer that it cannot be done. A client that reads no answers gets no more of them."""
        if len(self._answers) < _MOST_ANSWERS:
            self._answers.append(pack(api.Refused(run, err.info())))
            self._wake.set()

    async def pump(self) -> None:
        """Send until cancelled, or until `send` says that the socket is gone."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._answers or self._due:
                while self._answers:
                    await self._send(self._answers.popleft())
                if self._due:
                    run = next(iter(self._due))
                    await self._push(self._due.pop(run))
            if self._watching is not None and (fleet := await self._watching.news()) is not None:
                await self._send(pack(fleet))

    def close(self) -> None:
        """Follow and watch nothing more."""
        self._unwatch()
        for run in list(self._followed):
            self._unfollow(run)

    async def _do(self, message: api.FromClient) -> None:
        match message:
            case api.Submit(request):
                await self._follow(await self._runs.submit(self._who, request), 0)
            case api.Follow(run, after):
                found = await self._runs.get(self._who, run)
                await self._views.recall([found])
                await self._follow(found, max(after, 0))
            case api.Unfollow(run):
                self._unfollow(run)
            case api.Interrupt(run):
                await self._runs.interrupt(self._who, run)
            case api.Cancel(run, grace_s):
                await self._runs.cancel(self._who, run, grace_s)
            case api.Tell(run, tell, payload):
                await self._runs.tell(self._who, run, tell, payload)
            case api.Watch():
                self._unwatch()
                self._watching = self._watchers.begin(self._who, self._wake.set)
            case api.Unwatch():
                self._unwatch()

    def _unwatch(self) -> None:
        if self._watching is not None:
            self._watchers.end(self._watching)
            self._watching = None

    async def _follow(self, run: Run, after: int) -> None:
        self._unfollow(run.id)
        followed = _Followed(run, self._mark)
        followed.cursor = followed.resources.enter_context(self._logs.watch(run.id, after, followed.wake))
        self._followers.add(followed)
        self._followed[run.id] = followed
        # It may have ended between being found and being listened to.
        newest = await self._runs.newest(run)
        self._runs.settle_log(newest)
        followed.take(newest)

    def _unfollow(self, run: RunId) -> None:
        self._due.pop(run, None)
        followed = self._followed.pop(run, None)
        if followed is not None:
            self._followers.remove(followed)
            followed.resources.close()

    def _mark(self, followed: "_Followed") -> None:
        self._due[followed.run.id] = followed
        self._wake.set()

    async def _push(self, followed: "_Followed") -> None:
        """Send what changed and a batch of frames; "ended" only behind the last frame."""
        ended = followed.run.state is RunState.ENDED
        if followed.is_stale and not ended:
            followed.is_stale = False
            await self._send_change(followed)
        cursor = followed.cursor
        first = cursor.next
        try:
            frames = cursor.read()
        except DiskFailed as err:
            self._unfollow(followed.run.id)
            self.refuse(followed.run.id, err)
            return
        if frames:
            await self._send(pack(api.RunFrames(followed.run.id, first, frames)))
        if self._followed.get(followed.run.id) is not followed:
            return
        if cursor.behind:
            self._mark(followed)
        elif ended and cursor.finished:
            self._unfollow(followed.run.id)
            await self._send_change(followed)

    async def _send_change(self, followed: "_Followed") -> None:
        view = self._views.run(followed.run)
        # Frames speak for themselves: their number alone is no news.
        news = msgspec.structs.replace(view, frames=0)
        if news != followed.told:
            followed.told = news
            await self._send(pack(api.RunChanged(view)))


class _Followed:
    """One run on one connection."""

    cursor: Cursor

    def __init__(self, run: Run, mark: "Callable[[_Followed], None]") -> None:
        self.run = run
        self.told: api.RunView | None = None
        self.is_stale = False
        self.resources = ExitStack()
        self._mark = mark

    def take(self, run: Run) -> None:
        """The run's newest state; nothing is newer than its end."""
        if self.run.state is not RunState.ENDED:
            self.run = run
        self.refresh()

    def refresh(self) -> None:
        """Something its view shows may have changed."""
        self.is_stale = True
        self._mark(self)

    def wake(self) -> None:
        """There are new frames."""
        self._mark(self)


def _run_of(message: api.FromClient) -> RunId | None:
    if isinstance(message, api.Watch | api.Unwatch):
        return None
    return message.request.run if isinstance(message, api.Submit) else message.run


def _discard(index: "dict[_Key, set[_Followed]]", key: _Key, followed: _Followed) -> None:
    followers = index.get(key)
    if followers is not None:
        followers.discard(followed)
        if not followers:
            del index[key]
