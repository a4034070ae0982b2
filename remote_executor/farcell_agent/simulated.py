"""GPUs that are not there: declared, scheduled like real ones, executed on the CPU, and never without saying so.

They are kept in a file, since a restarted agent must still have what a worker holds; a clean end with
no worker left forgets them.
"""

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from farcell_protocol.errors import BadSpec
from farcell_protocol.gpus import ANY, parse_gpus
from farcell_protocol.ids import DeviceId, NodeId
from farcell_protocol.messages.link import DeviceReport

MOST = 64
"""Of one model; more is a slip of the finger."""


def parse_simulated(text: str) -> dict[str, int]:
    """How many of each model, in the order given: `H100:2,A100` is two and one. Nothing for an empty text.

    Raises:
        BadSpec: not in that form, or more than `MOST` of a model.
    """
    wanted: dict[str, int] = {}
    for part in text.split(",") if text.strip() else []:
        spec = parse_gpus(part.strip())
        if spec.count == 0 or spec.models == (ANY,):
            raise BadSpec(f"{part.strip()!r} cannot be simulated: name models, like H100:2,A100", spec=text)
        model = spec.models[0]
        wanted[model] = wanted.get(model, 0) + spec.count
        if wanted[model] > MOST:
            raise BadSpec(f"{text!r}: at most {MOST} simulated devices of a model", spec=text, limit=MOST)
    return wanted


class SimulatedDevices:
    """The simulated devices of one node, remembered in `file`."""

    def __init__(self, node: NodeId, file: Path) -> None:
        self._node = node
        self._file = file
        self._count: dict[str, int] = _read(file)

    def add(self, text: str) -> bool:
        """Have at least as many of each model as `text` says; whether that took a new device.

        Raises:
            BadSpec: see `parse_simulated`.
        """
        wanted = parse_simulated(text)
        raised = {model: count for model, count in wanted.items() if count > self._count.get(model, 0)}
        if raised:
            self._count |= raised
            _write(self._file, self._count)
        return bool(raised)

    def forget(self) -> None:
        """The next start begins without them."""
        self._count.clear()
        self._file.unlink(missing_ok=True)

    def reports(self) -> Iterable[DeviceReport]:
        """All of them, in a stable order."""
        for model, count in self._count.items():
            for number in range(count):
                name = re.sub(r"[^A-Za-z0-9.]+", "-", model)
                device = DeviceId(f"{self._node}-sim-{name}-{number}")
                yield DeviceReport(device, model, number, simulated=True)


def _read(file: Path) -> dict[str, int]:
    try:
        found = json.loads(file.read_text())
        return {str(model): min(int(count), MOST) for model, count in found.items()}
    except (FileNotFoundError, ValueError, AttributeError, TypeError):
        return {}  # a torn file loses declarations that a user can repeat, and no work


def _write(file: Path, count: dict[str, int]) -> None:
    new = file.with_suffix(".new")
    new.write_text(json.dumps(count))
    os.replace(new, file)
