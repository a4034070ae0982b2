"""The devices of this node: the real ones that NVML finds, and the simulated ones that were declared."""

import asyncio
import hashlib
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from farcell_agent.nvml import Gpu, Nvml, Reading
from farcell_agent.product_names import short_name
from farcell_agent.simulated import SimulatedDevices
from farcell_protocol.errors import WorkerNotStarted
from farcell_protocol.ids import DeviceId
from farcell_protocol.messages.link import DeviceReport

_UUID = re.compile(r"(?:GPU|MIG)-([0-9a-f]{8})-([0-9a-f]{4})-[0-9a-f-]+", re.IGNORECASE)


class Devices:
    """Inventory and names of one node's devices. NVML is asked in a thread of its own: a sick driver can hang."""

    def __init__(self, nvml: Nvml, simulated: SimulatedDevices) -> None:
        self.simulated = simulated
        self._nvml = nvml
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="farcell-nvml")
        self._reading = Reading()
        self._seen: dict[DeviceId, Gpu] = {}

    async def refresh(self) -> None:
        """Ask NVML again."""
        reading = await asyncio.get_running_loop().run_in_executor(self._thread, self._nvml.read)
        self._reading = reading
        self._seen |= {device_id(gpu.uuid): gpu for gpu in reading.gpus}

    @property
    def any_real(self) -> bool:
        """Whether a real GPU was ever seen."""
        return bool(self._seen)

    @property
    def notes(self) -> list[str]:
        """What was in the way of the last reading, in sentences."""
        return list(self._reading.notes)

    def reports(self, claimed: Iterable[DeviceId] = ()) -> list[DeviceReport]:
        """Every device. One that nobody of ours has claimed and that runs a program is in trouble, and so is a
        vanished or failing one."""
        present = {device_id(gpu.uuid) for gpu in self._reading.gpus}
        ours = frozenset(claimed)
        real = [
            _report(device, gpu, _trouble(gpu, is_present=device in present, is_claimed=device in ours))
            for device, gpu in self._seen.items()
        ]
        return real + list(self.simulated.reports())

    def check(self, wanted: Sequence[DeviceId], claimed: Iterable[DeviceId] = ()) -> None:
        """See that each of these may be handed out.

        Raises:
            WorkerNotStarted: one is not here or in trouble; the text says which.
        """
        known = {report.device: report for report in self.reports(claimed)}
        for device in wanted:
            if device not in known:
                raise WorkerNotStarted(f"there is no device {device} on this node", device=device)
            if known[device].trouble:
                raise WorkerNotStarted(
                    f"{known[device].model} {device} cannot be used: {known[device].trouble}", device=device
                )

    def visible(self, devices: Sequence[DeviceId]) -> str:
        """`CUDA_VISIBLE_DEVICES` for these: real ones by UUID, which no reordering confuses; nothing for the others."""
        return ",".join(self._seen[device].uuid for device in devices if device in self._seen)

    def close(self) -> None:
        """Let go of the driver, without waiting for a call that hangs."""
        self._thread.submit(self._nvml.close)
        self._thread.shutdown(wait=False)


def device_id(uuid: str) -> DeviceId:
    """The id of a real device: from its UUID, so it survives restarts and can be found in `nvidia-smi -L`."""
    parts = _UUID.fullmatch(uuid)
    return DeviceId("d-" + (parts[1] + parts[2] if parts else hashlib.sha256(uuid.encode()).hexdigest()[:12]).lower())


def _report(device: DeviceId, gpu: Gpu, trouble: str) -> DeviceReport:
    return DeviceReport(device, short_name(gpu.product), gpu.index, gpu.memory_bytes, trouble=trouble)


def _trouble(gpu: Gpu, *, is_present: bool, is_claimed: bool) -> str:
    if not is_present:
        return "the driver no longer reports it"
    if gpu.error:
        return f"the driver reports an error: {gpu.error}"
    if gpu.pids and not is_claimed:
        return f"in use by another program (pid {', '.join(map(str, gpu.pids[:3]))})"
    return ""
