"""Sessions on behalf of users: look at them, and let them go."""

from farcell_executor.driver import Driver
from farcell_executor.model import Session
from farcell_executor.runs import check_grace
from farcell_executor.scheduling import events
from farcell_executor.store.base import Store
from farcell_executor.tokens import Identity
from farcell_protocol.errors import Cancelled, NotFound
from farcell_protocol.ids import SessionId


class Sessions:
    """What users may do with sessions; each touches their own only."""

    def __init__(self, driver: Driver, store: Store) -> None:
        self._driver = driver
        self._store = store

    async def get(self, who: Identity, session: SessionId) -> Session:
        """A session of the asker's.

        Raises:
            NotFound: there is none of this id.
            Forbidden: it is another user's.
        """
        unsaved = self._driver.unsaved(session)
        found = self._driver.machine.sessions.get(session) or (unsaved if isinstance(unsaved, Session) else None)
        found = found or await self._store.session(session)
        if found is None:
            raise NotFound(f"there is no session {session}", session=session)
        who.must_own(found.owner, f"session {session}")
        return found

    async def all(self, who: Identity, *, ended: bool, limit: int) -> list[Session]:
        """The newest `limit` sessions, oldest first, living ones only unless `ended`; everybody's for an admin."""
        owner = None if who.admin else who.user
        if not ended:
            living = self._driver.machine.sessions.values()
            return [session for session in living if owner in (None, session.owner)][-limit:]
        stored = await self._store.sessions(owner, limit=limit)
        return [self._driver.machine.sessions.get(session.id, session) for session in stored]

    async def stop(self, who: Identity, session: SessionId, grace_s: float) -> None:
        """Release it with everything in it; nothing if it has ended."""
        check_grace(grace_s)
        await self.get(who, session)
        reason = Cancelled(f"session stopped by {who.user}", session=session, by=who.user).info()
        await self._driver.feed(events.SessionStopRequested(session, reason, grace_s))
