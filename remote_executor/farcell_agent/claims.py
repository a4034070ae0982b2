"""Which worker holds which devices, all of what it asked for or nothing. Pure.

Not the authority on what should run (the executor is), but on what does: it is derived again from the
keeper's reports at every start, so a claim can neither be lost nor outlive its worker.
"""

from collections.abc import Iterable, Sequence

from farcell_protocol.errors import WorkerNotStarted
from farcell_protocol.ids import DeviceId, WorkerId
from farcell_protocol.messages.keeping import WorkerReport


class Claims:
    """The claims of one node."""

    def __init__(self) -> None:
        self._held: dict[WorkerId, tuple[DeviceId, ...]] = {}

    def derive(self, reports: Iterable[WorkerReport]) -> None:
        """Forget everything and claim what the living workers of these reports were started with.

        Even should two of them name one device: both have it, and it stays claimed until both are gone.
        """
        self._held = {r.worker: tuple(r.spec.devices) for r in reports if r.state != "exited"}

    def claim(self, worker: WorkerId, devices: Sequence[DeviceId]) -> None:
        """Give the worker these devices. Asking the same again changes nothing.

        Raises:
            WorkerNotStarted: another worker holds one of them, and nothing was claimed; `holders` has, for
                each device that is taken, by whom.
        """
        taken = {device: by for device in devices if (by := self.holder(device)) not in (None, worker)}
        if taken:
            names = ", ".join(f"{device} by {by}" for device, by in taken.items())
            raise WorkerNotStarted(
                f"{len(taken)} of the {len(devices)} devices asked for are held: {names}", holders=taken
            )
        self._held[worker] = tuple(devices)

    def release(self, worker: WorkerId) -> None:
        """The worker is gone; safe to repeat."""
        self._held.pop(worker, None)

    def holder(self, device: DeviceId) -> WorkerId | None:
        """Who holds the device."""
        return next((worker for worker, devices in self._held.items() if device in devices), None)

    @property
    def devices(self) -> frozenset[DeviceId]:
        """Every device that is held."""
        return frozenset(device for devices in self._held.values() for device in devices)
