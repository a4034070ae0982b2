"""What living sessions' namespaces hold, as far as their cells have told: read from the newest `End` when asked."""

import logging
from collections.abc import Iterable

from farcell_executor.model import Run, RunState, Session, SessionState
from farcell_executor.runlogs import RunLogs
from farcell_executor.scheduling.machine import Machine
from farcell_executor.store.base import Noun
from farcell_protocol.errors import DiskFailed
from farcell_protocol.frames import Variables
from farcell_protocol.ids import RunId, SessionId

log = logging.getLogger(__name__)


class KnownVariables:
    """Told of every change, so that it knows which run of a session ended last."""

    def __init__(self, machine: Machine, logs: RunLogs) -> None:
        self._machine = machine
        self._logs = logs
        self._unread: dict[SessionId, RunId] = {}
        self._known: dict[SessionId, Variables] = {}

    def note(self, nouns: Iterable[Noun]) -> None:
        """These changed; the runs that ended, in the order in which they did."""
        for noun in nouns:
            if isinstance(noun, Session) and noun.state is SessionState.ENDED:
                self._unread.pop(noun.id, None)
                self._known.pop(noun.id, None)
            elif isinstance(noun, Run) and self._may_tell(noun):
                self._unread[noun.session] = noun.id

    def of(self, session: SessionId) -> Variables | None:
        """What its newest cell told; what an earlier one did if that told nothing. None if that cannot be read."""
        run = self._unread.pop(session, None)
        try:
            end = self._logs.log(run).end() if run is not None else None
        except DiskFailed as err:
            # The session is to be seen all the same, and what it held before is not what it holds.
            log.warning("what session %s holds is not known: %s", session, err)
            self._known.pop(session, None)
            return None
        if end is not None and end.variables is not None:
            self._known[session] = end.variables
        return self._known.get(session)

    def _may_tell(self, run: Run) -> bool:
        return run.state is RunState.ENDED and not run.aside and run.session in self._machine.sessions
