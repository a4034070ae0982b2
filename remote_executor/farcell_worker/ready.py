"""Everything heavy of a worker, in one place: imported by the zygote before it forks, by a fresh worker after."""

import os
from dataclasses import dataclass
from typing import NoReturn, Protocol

from farcell_worker.choice import Choice, choose, installed_version
from farcell_worker.inlet import Inlet
from farcell_worker.interrupts import Interrupts
from farcell_worker.launch import Order
from farcell_worker.outbox import Outbox
from farcell_worker.serve import Service
from farcell_worker.surroundings import settle
from farcell_worker.transport import KernelTransport


class _Warm(KernelTransport, Protocol):
    def warm_up(self) -> None:
        """What can be done before a fork so that it need not be done after."""


@dataclass(frozen=True)
class Prepared:
    """The parts of a worker, made and not started. `note` is what there is to say of its transport, or nothing."""

    outbox: Outbox
    inlet: Inlet
    interrupts: Interrupts
    transport: _Warm
    note: str = ""

    def main(self, order: Order) -> NoReturn:
        """The main process of a forked worker."""
        self.serve(order, settle(order))

    def serve(self, order: Order, notes: list[str]) -> NoReturn:
        """Work until the keeper goes; `settle` has been done."""
        if self.note:
            notes = [self.note, *notes]
        Service(order, self.outbox, self.inlet, self.interrupts, self.transport).serve(notes)


def prepare() -> Prepared:
    """Build what this process can know of the kernel, and what it writes to."""
    choice = choose(installed_version(), os.environ)
    return _fast_path() if choice.transport == "fast" else _bridge(choice)


def _fast_path() -> Prepared:
    """Puts the worker's streams into `sys`."""
    from farcell_worker.fastpath import FastPath

    interrupts = Interrupts()
    outbox = Outbox(interrupts)
    inlet = Inlet(outbox, interrupts)
    return Prepared(outbox, inlet, interrupts, FastPath(outbox, interrupts, inlet))


def _bridge(choice: Choice) -> Prepared:
    from farcell_worker.bridge import Bridge
    from farcell_worker.relayed import RelayedInterrupts

    interrupts = RelayedInterrupts()
    outbox = Outbox(interrupts)
    transport = Bridge(outbox, interrupts, choice.kernel)
    return Prepared(outbox, Inlet(outbox, interrupts), interrupts, transport, choice.note)
