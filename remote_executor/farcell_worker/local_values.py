"""The values of a kernel that lives in this very process."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from farcell_protocol.frames import ValueBack, Variables
from farcell_protocol.messages.cells import Cell
from farcell_worker.exchange import Before, Exchange
from farcell_worker.interrupts import Interrupts
from farcell_worker.namespace import variables_of


class LocalValues:
    """A `KernelValues` over the user's namespace itself. What it yields is made when it is taken. `learn` is told of
    each cell before its values are loaded."""

    def __init__(self, namespace: dict[str, Any], interrupts: Interrupts, learn: Callable[[Cell], None]) -> None:
        self._namespace = namespace
        self._exchange = Exchange(namespace)
        self._learn = learn
        self._interrupts = interrupts

    async def admit(self, cell: Cell) -> Before:
        """Loading may run code of the user's and take long, so it can be interrupted."""
        with self._interrupts.armed():
            self._learn(cell)
            return self._exchange.admit(cell)

    async def results(self, cell: Cell, before: Before, *, finished: bool) -> Iterator[ValueBack]:
        """As `Exchange.results`."""
        return self._exchange.results(cell, before, finished=finished)

    async def fetch(self, names: Sequence[str]) -> Iterator[ValueBack]:
        """As `Exchange.fetch`."""
        return self._exchange.fetch(names)

    def variables(self) -> Variables:
        """What there is: asking may run code of the user's, so it can be interrupted."""
        with self._interrupts.armed():
            return variables_of(self._namespace)
