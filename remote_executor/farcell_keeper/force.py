"""Ending a worker that does not end by itself: SIGTERM, SIGKILL, and SIGKILL again until it is gone."""

import math
import signal
from collections.abc import Callable

from farcell_keeper.loop import Loop, Timer
from farcell_keeper.trees import Tree

_KILL_AGAIN_S = 0.5
_KILLS = 20
"""After these, a process that does not die (it hangs in the kernel) is given up."""
_LONGEST_GRACE_S = 3600.0


class Force:
    """`killed` is called after each SIGKILL, to see whether that was enough; `given_up` if no number of them is."""

    def __init__(self, loop: Loop, tree: Tree, *, killed: Callable[[], None], given_up: Callable[[], None]) -> None:
        self._loop = loop
        self._tree = tree
        self._killed = killed
        self._given_up = given_up
        self._kills = 0
        self._timer: Timer | None = None
        self._over = False

    @property
    def used(self) -> bool:
        """Whether SIGKILL has been sent: then no process of the worker's may live, also none that appears later."""
        return self._kills > 0

    def stop(self, grace_s: float) -> None:
        """SIGTERM, and SIGKILL to all of it after `grace_s`; of several stops the earliest kill holds."""
        grace_s = 0.0 if math.isnan(grace_s) else min(max(grace_s, 0.0), _LONGEST_GRACE_S)
        if grace_s == 0 or not self._tree.signal_main(signal.SIGTERM):
            self.kill()
        elif self._timer is None or self._loop.clock() + grace_s < self._timer.due:
            self._kill_after(grace_s)

    def kill(self) -> None:
        """At once and without a word to it; again and again until `close`."""
        if self._over:
            return
        self._kills += 1
        if self._kills > _KILLS:
            self._given_up()
            return
        self._kill_after(_KILL_AGAIN_S)
        self._tree.kill(everything=self._kills > 1)
        self._killed()

    def kill_unless_gone_in(self, delay_s: float) -> None:
        """It is about to end by itself; nothing changes if a kill is due already."""
        if self._timer is None:
            self._kill_after(delay_s)

    def appeared(self) -> None:
        """A process of the worker's has become known: ended too if the others were."""
        if self.used:
            self._tree.kill(everything=True)

    def close(self) -> None:
        """The worker is gone. Safe to repeat."""
        self._over = True
        if self._timer is not None:
            self._timer.cancel()

    def _kill_after(self, delay_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.after(delay_s, self.kill)
