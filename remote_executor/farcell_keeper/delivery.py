"""Frames on their way to the agent: at once when it keeps up, else from the spool as it takes them.

The out-buffer is bounded, so an agent that stalls costs no memory, and workers are read all the same.
"""

from collections import deque
from collections.abc import Sequence

from farcell_keeper import journal
from farcell_keeper.links import Link
from farcell_keeper.loop import Loop
from farcell_keeper.runs import KeptRun, Runs, raw
from farcell_protocol.errors import DiskFailed
from farcell_protocol.framing import encode
from farcell_protocol.messages.keeping import Frames, FromKeeper, KeeperRefused, WorkerChanged

MAX_BACKLOG_BYTES = 1 * 2**20
MAX_BATCH_BYTES = 256 * 2**10
_BATCHES_PER_TURN = 16
"""After this many, workers have their turn, however fast the agent reads."""


class Delivery:
    """What the one connected agent is told. Without an agent, words are dropped and frames stay in the spool."""

    def __init__(self, loop: Loop, runs: Runs) -> None:
        self._loop = loop
        self._runs = runs
        self._link: Link | None = None
        self._behind: deque[KeptRun] = deque()
        self._held: list[tuple[FromKeeper, list[KeptRun]]] = []
        self._continuing = False

    @property
    def connected(self) -> bool:
        """Whether there is an agent."""
        return self._link is not None

    @property
    def idle(self) -> bool:
        """Whether everything the agent wants has left this process."""
        return self._link is None or not (self._behind or self._held or self._link.backlog_bytes)

    def attach(self, link: Link) -> None:
        """This connection is the agent from now on; nothing flows until it asks."""
        self.detach()
        self._link = link

    def detach(self) -> None:
        """There is no agent any more."""
        self._link = None
        self._behind.clear()
        self._held.clear()
        for kept in self._runs:
            kept.flowing = False
            kept.sender.sent = 0

    def tell(self, message: FromKeeper) -> None:
        """Send a message that does not wait for frames."""
        if self._link is not None:
            self._link.send(encode(message))

    def announce(self, changed: WorkerChanged, runs: Sequence[KeptRun]) -> None:
        """Send it after all frames of these runs that the connection wants."""
        waiting = [kept for kept in runs if kept.behind]
        if waiting:
            self._held.append((changed, waiting))
        else:
            self.tell(changed)

    def flow(self, kept: KeptRun, after: int) -> None:
        """Send a run's frames from number `after + 1` on.

        Raises:
            StreamGap: they are not all here.
        """
        kept.sender.resume(after)
        if self._link is None:
            return
        kept.flowing = True
        self._queue(kept)
        self.pump()

    def appended(self, kept: KeptRun, first: int, frames: Sequence[bytes], end: bool) -> None:
        """These frames have just been kept. If nothing is before them they leave now, without a look at the file."""
        link = self._link
        if link is None or not kept.flowing:
            return
        if kept.sender.sent == first - 1 and link.backlog_bytes < MAX_BACKLOG_BYTES:
            link.send(encode(Frames(kept.run, first, raw(frames), end)))
            kept.sender.sent = kept.sender.last
        else:
            self._queue(kept)

    def finished(self, kept: KeptRun) -> None:
        """The keeper itself has written the run's end."""
        if kept.behind:
            self._queue(kept)
            self.pump()

    def pump(self) -> None:
        """Fill the out-buffer, each run in turn; called whenever it has become empty."""
        for _ in range(_BATCHES_PER_TURN):
            if self._link is None or not self._behind or self._link.backlog_bytes >= MAX_BACKLOG_BYTES:
                return
            kept = self._behind.popleft()
            if kept.behind:
                self._send_batch(self._link, kept)
            if kept.behind:
                self._behind.append(kept)
            elif self._held:
                self._release(kept)
        if not self._continuing:
            self._continuing = True
            self._loop.after(0, self._continue)

    def _continue(self) -> None:
        self._continuing = False
        self.pump()

    def _send_batch(self, link: Link, kept: KeptRun) -> None:
        sender = kept.sender
        try:
            frames = kept.spool.read(sender.sent, MAX_BATCH_BYTES)
        except OSError as err:
            journal.note(f"cannot read the spool of {kept.run}: {err}")
            kept.flowing = False
            lost = DiskFailed(
                f"the keeper cannot read back the output of {kept.run}: {err}; see what is the matter with that host's"
                " disk, and run it again",
                after=sender.sent,
                errno=err.errno,
            )
            self.tell(KeeperRefused(lost.info(), worker=kept.worker, run=kept.run))
            return
        first = sender.sent + 1
        sender.sent += len(frames)
        end = sender.ended and sender.sent == sender.last
        link.send(encode(Frames(kept.run, first, raw(frames), end)))
        if sender.ended:
            kept.spool.close()

    def _queue(self, kept: KeptRun) -> None:
        if kept.behind and kept not in self._behind:
            self._behind.append(kept)

    def _release(self, done: KeptRun) -> None:
        held, self._held = self._held, []
        for message, waiting in held:
            left = [kept for kept in waiting if kept is not done and kept.behind]
            if left:
                self._held.append((message, left))
            else:
                self.tell(message)
