"""The runs a keeper has: each one's frames, how far the agent has them, and which ids were ever seen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from farcell_keeper.spool import Spool, spool_path
from farcell_protocol.errors import BadRequest, FramingError
from farcell_protocol.frames import End
from farcell_protocol.framing import pack
from farcell_protocol.ids import RunId, WorkerId, is_id
from farcell_protocol.messages.keeping import RunReport
from farcell_protocol.messages.work import Output
from farcell_protocol.stream import Sender

_REMEMBERED = 200_000


class Remembered:
    """Ids that were used once and must not be used again; the oldest are forgotten beyond a bound."""

    def __init__(self, bound: int = _REMEMBERED) -> None:
        self._ids: dict[str, None] = {}
        self._bound = bound

    def __contains__(self, id: str) -> bool:
        return id in self._ids

    def add(self, id: str) -> None:
        """Remember it."""
        self._ids[id] = None
        if len(self._ids) > self._bound:
            del self._ids[next(iter(self._ids))]


@dataclass(eq=False)
class KeptRun:
    """A run whose frames somebody may still ask for. `flowing` says that this connection wants them.

    `broken` is set when a frame could not be kept: nothing may follow but the `End`.
    """

    run: RunId
    worker: WorkerId
    spool: Spool
    sender: Sender = field(default_factory=Sender)
    flowing: bool = False
    broken: bool = False

    @property
    def behind(self) -> bool:
        """Whether the connection wants frames that it has not been sent."""
        return self.flowing and self.sender.sent < self.sender.last

    def report(self) -> RunReport:
        """What the agent is told of it."""
        return RunReport(self.run, self.worker, self.sender.last, self.sender.acknowledged, self.sender.ended)


class Runs:
    """All runs of this keeper, by id."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[RunId, KeptRun] = {}
        self._seen = Remembered()

    def __iter__(self) -> Iterator[KeptRun]:
        return iter(list(self._kept.values()))

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, run: RunId) -> KeptRun | None:
        """None if it never was here, or all of it has been acknowledged."""
        return self._kept.get(run)

    def seen(self, run: RunId) -> bool:
        """Whether it was ever begun here."""
        return run in self._seen

    def begin(self, run: RunId, worker: WorkerId) -> KeptRun:
        """A run that is to be executed now, for the first and only time.

        Raises:
            BadRequest: not the form of a run id, which is to name a file.
        """
        if not is_id(run, "r"):
            raise BadRequest(f"{run[:60]!r} is not a run id")
        kept = self._kept[run] = KeptRun(run, worker, Spool(spool_path(self._folder, run)))
        self._seen.add(run)
        return kept

    def take(self, kept: KeptRun, outputs: Sequence[Output]) -> tuple[int, list[bytes]]:
        """Keep consecutive frames that a worker sent of one run; returns the first one's number and all of them.

        Raises:
            FramingError: they are not the next ones; none is kept, and nothing but the `End` may follow.
            OSError: there is no room; likewise.
        """
        due = kept.sender.last + 1
        if outputs[0].n != due:
            kept.broken = True
            raise FramingError(f"frame {outputs[0].n} of {kept.run} came where {due} was due")
        frames = [bytes(output.frame) for output in outputs]
        try:
            kept.spool.append(frames)
        except OSError:
            kept.broken = True
            raise
        for output in outputs:
            kept.sender.number(end=output.end)
        return outputs[0].n, frames

    def finish(self, kept: KeptRun, end: End) -> None:
        """Close a run whose worker cannot any more; its `End` is kept even if the disk is full."""
        kept.spool.append_last(pack(end))
        kept.sender.number(end=True)

    def acknowledge(self, run: RunId, n: int) -> None:
        """The agent's side holds frames up to `n`; with the end among them the run is dropped here."""
        kept = self._kept.get(run)
        if kept is None:
            return
        kept.sender.acknowledge(n)
        if kept.sender.done:
            self._drop(kept)
        else:
            kept.spool.release(kept.sender.acknowledged)

    def forget(self, worker: WorkerId) -> None:
        """Drop the runs of a worker whose exit has been recorded."""
        for kept in list(self._kept.values()):
            if kept.worker == worker:
                self._drop(kept)

    def reports(self) -> list[RunReport]:
        """For a `Welcome`."""
        return [kept.report() for kept in self._kept.values()]

    def close(self) -> None:
        """Remove all files: the keeper leaves."""
        for kept in list(self._kept.values()):
            self._drop(kept)

    def _drop(self, kept: KeptRun) -> None:
        kept.flowing = False
        kept.spool.drop()
        del self._kept[kept.run]


def raw(frames: Sequence[bytes]) -> list[msgspec.Raw]:
    """Frames as they travel: already encoded."""
    return [msgspec.Raw(frame) for frame in frames]
