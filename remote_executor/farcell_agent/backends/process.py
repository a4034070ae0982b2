"""The backend that needs no container engine: the host's keeper forks each worker from a warm zygote."""

from farcell_agent.backends.base import Order
from farcell_agent.keeper_client import KeeperClient
from farcell_protocol.ids import WorkerId
from farcell_protocol.messages.keeping import FromKeeper, Launch, ProcessSpec, Welcome


class ProcessBackend:
    """Workers as processes of this host, kept by its keeper."""

    def __init__(self, keeper: KeeperClient) -> None:
        self._keeper = keeper

    async def attach(self) -> Welcome:
        """Connect to the keeper, starting one if there is none."""
        return await self._keeper.open()

    async def start(self, worker: WorkerId, spec: ProcessSpec) -> None:
        """Have the keeper fork it."""
        await self._keeper.send(Launch(worker, spec))

    async def tell(self, order: Order) -> None:
        """Pass it to the keeper unchanged."""
        await self._keeper.send(order)

    async def receive(self) -> FromKeeper:
        """The keeper's next message."""
        return await self._keeper.receive()

    async def detach(self) -> None:
        """Disconnect."""
        await self._keeper.close()
