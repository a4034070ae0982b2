"""Whether the keeper can still be found: its lock file, without which it ends its workers, and its socket."""

from farcell_host.door import Door
from farcell_host.locks import LockFile
from farcell_keeper import journal
from farcell_keeper.keeper import Keeper
from farcell_keeper.loop import Loop
from farcell_keeper.visitors import Visitors
from farcell_protocol.errors import DirectoryNotOurs, DiskFailed

LOOK_S = 10.0
"""How often it is looked. An executor looks more often, and has more to say; when it leaves, it is looked at once."""


class Ground:
    """What the keeper stands on: looked at from time to time once `watch` was called."""

    def __init__(self, loop: Loop, lock: LockFile, door: Door, keeper: Keeper) -> None:
        self._loop = loop
        self._lock = lock
        self._door = door
        self._keeper = keeper
        self._visitors: Visitors | None = None
        self._said = ""

    def watch(self, visitors: Visitors) -> None:
        """Look from now on; who comes to another socket comes to these."""
        self._visitors = visitors
        self._look_again()

    def agent_left(self) -> None:
        """Whoever follows that agent must find us, or nobody will."""
        self._keeper.agent_left()
        self._look()

    def _look_again(self) -> None:
        if self._look():
            self._loop.after(LOOK_S, self._look_again)

    def _look(self) -> bool:
        if self._lock.is_in_place():
            self._mend()
            return True
        folder = self._lock.path.parent
        why = DiskFailed(f"the data directory {folder} was deleted or replaced under its keeper", path=str(folder))
        self._keeper.end_all(why)
        return False

    def _mend(self) -> None:
        try:
            listener = self._door.mend()
        except (OSError, DirectoryNotOurs) as err:
            if str(err) != self._said:
                journal.note(f"{self._door.path} is gone and cannot be made anew yet: {err}")
            self._said = str(err)
            return
        if listener is not None and self._visitors is not None:
            self._visitors.move_to(listener)
            journal.note(f"{self._door.path} had been removed, and is there again")
