"""The processes of one worker, and how all of them are ended."""

import os
import signal
from collections.abc import Callable

from farcell_keeper.cgroups import Cgroup
from farcell_keeper.loop import READ, Loop
from farcell_keeper.processes import Children, Process, descendants, kill_all, stat
from farcell_protocol.messages.work import NUDGE

_NUDGES_S = (0.02, 0.2)


class Tree:
    """Supervisor, main process, and whatever these started. `ended` is called whenever one of the two has gone."""

    def __init__(self, loop: Loop, children: Children, cgroup: Cgroup | None, *, ended: Callable[[], None]) -> None:
        self._loop = loop
        self._children = children
        self._cgroup = cgroup
        self._ended = ended
        self._isolated = False
        self._named: int | None = None
        self._supervisor: int | None = None
        self.supervisor_status: int | None = None
        self.main: Process | None = None

    def supervised_by(self, pid: int) -> None:
        """Our child `pid` is the supervisor, or the parent that waits for it. Safe to repeat, also after its end."""
        if pid == self._named:
            return
        self._named = self._supervisor = pid
        self._children.expect(pid, self._supervisor_ended)

    def main_is(self, pid: int, *, isolated: bool) -> None:
        """`pid` executes the user's code; `isolated` says in a pid namespace whose first process supervises it."""
        self.main = Process(pid)
        self._isolated = isolated
        if self.main.fd is not None:
            self._loop.watch(self.main.fd, READ, self._main_ended)
        parent = stat(self.main.parent)
        if self._supervisor is None and parent is not None and parent.parent == os.getpid():
            # Its zygote died before it could name the supervisor.
            self.supervised_by(self.main.parent)

    def signal_main(self, number: int) -> bool:
        """Signal the main process alone; false if there is none that is known."""
        return self.main is not None and self.main.signal(number)

    def interrupt(self) -> None:
        """SIGINT to the main process's group, as from a terminal: a child that left the group is not hit, nor is
        the supervisor, which is in another."""
        if self.main is not None and self.main.signal_group(signal.SIGINT):
            for delay_s in _NUDGES_S:
                self._loop.after(delay_s, self._nudge)

    def _nudge(self) -> None:
        self.signal_main(NUDGE)

    @property
    def alive(self) -> bool:
        """Whether the supervisor or the main process is still there."""
        return self._supervisor is not None or (self.main is not None and self.main.alive)

    def kill(self, *, everything: bool) -> None:
        """SIGKILL to all. Without a namespace the supervisor is spared unless `everything`: it still has to
        say how the main process ended, and to end what is left."""
        watchers = {pid for pid in (self._supervisor, self._known_parent()) if pid}
        if self._isolated:
            # The end of a namespace's first process takes all others with it, whatever they do.
            kill_all(watchers)
            if not watchers:
                self.signal_main(signal.SIGKILL)
            return
        inside = set(self._cgroup.pids() if self._cgroup else [])
        # Without its supervisor the main process is a child of ours, and no longer below a watcher.
        mains = {self.main.pid} if self.main is not None and self.main.alive else set()
        inside |= set(descendants(watchers | mains))
        kill_all(inside - watchers)
        if everything or self.main is None:
            kill_all(watchers)
        self.signal_main(signal.SIGKILL)

    def close(self) -> None:
        """Let go of the main process. Safe to repeat."""
        if self.main is not None:
            if self.main.fd is not None:
                self._loop.forget(self.main.fd)
            self.main.close()

    def _known_parent(self) -> int | None:
        """The main process's parent, as long as it is sure to be the supervisor and no process that got its number."""
        if self.main is None or self._supervisor is None:
            return None
        found = stat(self.main.parent)
        ours = found is not None and found.parent in (self._supervisor, os.getpid())
        return self.main.parent if ours and self.main.alive else None

    def _supervisor_ended(self, status: int) -> None:
        self._supervisor = None
        self.supervisor_status = status
        self._ended()

    def _main_ended(self, _mask: int) -> None:
        if self.main is not None and self.main.fd is not None:
            self._loop.forget(self.main.fd)
        self._ended()
