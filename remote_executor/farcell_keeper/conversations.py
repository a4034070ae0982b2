"""What a worker says: its greeting and what begins are handed on, frames are kept and passed on, nonsense ends it."""

from collections.abc import Callable, Sequence

import msgspec

from farcell_keeper.delivery import Delivery
from farcell_keeper.runs import KeptRun, Runs
from farcell_protocol.errors import DiskFull, ErrorInfo, FramingError, WorkerKilled
from farcell_protocol.framing import unpack
from farcell_protocol.ids import WorkerId
from farcell_protocol.messages.work import Began, Failed, FromWorker, Hello, Output

_decoder: "msgspec.msgpack.Decoder[FromWorker]" = msgspec.msgpack.Decoder(FromWorker)


class Conversation:
    """`ended` is called with each run whose `End` came, `broken` with why the worker cannot go on."""

    def __init__(
        self,
        worker: WorkerId,
        runs: Runs,
        delivery: Delivery,
        *,
        heard: Callable[[Hello | Began | Failed], None],
        ended: Callable[[KeptRun], None],
        broken: Callable[[ErrorInfo], None],
    ) -> None:
        self._worker = worker
        self._runs = runs
        self._delivery = delivery
        self._heard = heard
        self._ended = ended
        self._broken = broken
        self._over = False

    def received(self, bodies: Sequence[bytes]) -> None:
        """Take in the records of one read. What came before something unreadable is still good."""
        if self._over:
            return
        outputs: list[Output] = []
        unreadable = ""
        for body in bodies:
            try:
                message: FromWorker = unpack(body, _decoder, who=f"worker {self._worker}")
            except FramingError as err:
                unreadable = str(err)
                break
            if not isinstance(message, Output):
                self._heard(message)
                continue
            if outputs and not _follows(message, outputs[-1]):
                self._keep(outputs)
                outputs = []
            outputs.append(message)
        if outputs:
            self._keep(outputs)
        if unreadable:
            self.no_message(unreadable)

    def no_message(self, what: str) -> None:
        """The worker's connection carried bytes that mean nothing; whatever follows is not listened to."""
        self._over = True
        error = WorkerKilled(f"the worker was ended: its connection carried what is no message: {what}")
        self._broken(error.info())

    def _keep(self, outputs: Sequence[Output]) -> None:
        """Append consecutive frames of one run to its spool, then pass them on."""
        kept = self._runs.get(outputs[0].run)
        if kept is None or kept.worker != self._worker or kept.broken or kept.sender.ended:
            return
        try:
            first, frames = self._runs.take(kept, outputs)
        except OSError as err:
            text = f"no room for the output of {kept.run} after frame {kept.sender.last}: {err.strerror or err}"
            self._broken(DiskFull(f"{text}; the worker was ended", errno=err.errno).info())
            return
        except FramingError as err:
            self.no_message(str(err))
            return
        end = outputs[-1].end
        if end:
            self._ended(kept)
        self._delivery.appended(kept, first, frames, end)


def _follows(output: Output, before: Output) -> bool:
    return output.run == before.run and output.n == before.n + 1 and not before.end
