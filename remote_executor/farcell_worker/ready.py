"""Everything heavy of a worker, in one place: imported by the zygote before it forks, by a fresh worker after."""

from dataclasses import dataclass
from typing import NoReturn

from farcell_worker.fastpath import FastPath
from farcell_worker.interrupts import Interrupts
from farcell_worker.launch import Order
from farcell_worker.outbox import Outbox
from farcell_worker.serve import Worker
from farcell_worker.surroundings import settle


@dataclass(frozen=True)
class Prepared:
    """The parts of a worker, made and not started."""

    outbox: Outbox
    interrupts: Interrupts
    fast_path: FastPath

    def main(self, order: Order) -> NoReturn:
        """The main process of a forked worker."""
        self.serve(order, settle(order))

    def serve(self, order: Order, notes: list[str]) -> NoReturn:
        """Work until the keeper goes; `settle` has been done."""
        Worker(order, self.outbox, self.interrupts, self.fast_path).serve(notes)


def prepare() -> Prepared:
    """Build the kernel and what it writes to. Puts the worker's streams into `sys`."""
    interrupts = Interrupts()
    outbox = Outbox(interrupts)
    return Prepared(outbox, interrupts, FastPath(outbox, interrupts))
