"""The backend: how an agent has workers started and reaches them, written as a contract.

1. `attach` comes first and may come again after `detach`. It returns with everything the backend keeps,
   the workers of an earlier agent included: they have been adopted.
2. `start` asks for a worker and returns; that it became ready, or did not, is received as a
   `WorkerChanged`. For one worker id it has an effect once, whoever asks again.
3. `tell` passes on a message about a worker or a run. Messages about one worker keep their order;
   stops and interrupts overtake those of others. Nothing is answered: results are received.
4. `receive` gives what workers and runs report, in order. After the backend lost its keeper it gives
   a new `Welcome` instead: what the earlier keeper had is gone if pid or start differ.
5. Between the loss and that `Welcome`, what is told is dropped.
6. What is not received is kept by the backend, on disk; nobody's memory grows.
7. `detach` leaves all workers running, for the next `attach` of this agent or another.
"""

from typing import Protocol

from farcell_protocol.ids import WorkerId
from farcell_protocol.messages.keeping import (
    Ack,
    Execute,
    Forget,
    FromKeeper,
    ProcessSpec,
    Resume,
    SendInterrupt,
    Stop,
    Tell,
    Welcome,
)

Order = Execute | Tell | Resume | Ack | SendInterrupt | Stop | Forget
"""What an executor says of a worker or a run, and a backend passes on."""


class Backend(Protocol):
    """One way of starting workers."""

    async def attach(self) -> Welcome:
        """Find what runs here already, and be told of everything from now on."""

    async def start(self, worker: WorkerId, spec: ProcessSpec) -> None:
        """Start a worker with these devices, limits and surroundings."""

    async def tell(self, order: Order) -> None:
        """Pass on an order; waits while the backend is slow."""

    async def receive(self) -> FromKeeper:
        """The next thing that happened."""

    async def detach(self) -> None:
        """Let go of the workers, which go on."""
