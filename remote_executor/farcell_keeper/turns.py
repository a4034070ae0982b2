"""The runs of one worker, one after the other, and interrupts that are for one of them and no other.

A signal cannot say which run it is for. So the next run is handed over only when the one before has
ended, and an interrupt waits until the worker says that its run has begun: it can then hit this run or nothing.
What runs aside (a session's comms) waits for nobody and is never interrupted.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from farcell_keeper.runs import KeptRun
from farcell_protocol.ids import RunId
from farcell_protocol.messages.work import Work


@dataclass(eq=False)
class _Turn:
    kept: KeptRun
    work: Work
    aside: bool
    given: bool = False
    began: bool = False
    interrupted: bool = False


class Turns:
    """`give` hands a run to the worker, `interrupt` signals it. Both are called only between `open` and `close`."""

    def __init__(self, *, give: Callable[[Work], None], interrupt: Callable[[], None]) -> None:
        self._give = give
        self._signal = interrupt
        self._turns: list[_Turn] = []
        self._open = False

    def __iter__(self) -> Iterator[KeptRun]:
        return iter([turn.kept for turn in self._turns])

    @property
    def running(self) -> RunId | None:
        """The run that the worker executes."""
        turn = self._first
        return turn.kept.run if turn is not None and turn.given else None

    def add(self, kept: KeptRun, payload: bytes, *, aside: bool = False) -> None:
        """A run that waits for those before it, or for nobody."""
        self._turns.append(_Turn(kept, Work(kept.run, payload, aside), aside))
        self._go_on()

    def open(self) -> None:
        """The worker is ready."""
        self._open = True
        self._go_on()

    def close(self) -> None:
        """The worker has ended; nobody waits any more."""
        self._open = False
        self._turns.clear()

    def has(self, run: RunId) -> bool:
        """Whether the worker was given this run and has not ended it."""
        return any(turn.given and turn.kept.run == run for turn in self._turns)

    def began(self, run: RunId) -> None:
        """The worker says that from here a signal is for this run."""
        turn = self._first
        if turn is not None and turn.kept.run == run and turn.given and not turn.began:
            turn.began = True
            if turn.interrupted:
                self._signal()

    def ended(self, kept: KeptRun) -> None:
        """Its `End` came."""
        self._turns = [turn for turn in self._turns if turn.kept is not kept]
        self._go_on()

    def interrupt(self, run: RunId) -> bool:
        """Interrupt this run now, or once as soon as it begins; false if it is not here."""
        turn = next((turn for turn in self._turns if turn.kept.run == run), None)
        if turn is None:
            return False
        turn.interrupted = True
        if turn.began:
            self._signal()
        return True

    @property
    def _first(self) -> _Turn | None:
        return next((turn for turn in self._turns if not turn.aside), None)

    def _go_on(self) -> None:
        if not self._open:
            return
        first = self._first
        for turn in list(self._turns):
            if not turn.given and (turn.aside or turn is first):
                turn.given = True
                self._give(turn.work)
                turn.work = Work(turn.kept.run, b"")  # the payload may be large, and is not needed again
