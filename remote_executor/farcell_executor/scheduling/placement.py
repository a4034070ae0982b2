"""Which devices of which node: all or nothing, the best fit, in the order of preference asked for.

A *group* is what can be handed out together: the healthy devices of one model on one node, real ones
and simulated ones apart.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from farcell_executor.model import Device, Node, NodeState
from farcell_executor.scheduling.books import Claim
from farcell_protocol.errors import NoDeviceFits, Unavailable
from farcell_protocol.gpus import ANY, GpuSpec
from farcell_protocol.ids import DeviceId, NodeId

_WORD = re.compile(r"[A-Z0-9.]+")
_WAYS_OUT = (
    "use %%gpu cpu for no GPU at all, %gpu simulate {model} to pretend, or %gpu connect URL for another executor"
)


@dataclass(frozen=True)
class Placement:
    """Where a worker goes, and the devices it gets; none for cpu."""

    node: NodeId
    devices: tuple[DeviceId, ...]


@lru_cache(maxsize=1024)
def is_model(wanted: str, model: str) -> bool:
    """Whether a device of `model` is what is meant by `wanted`.

    The words of `wanted` must stand in `model` in that order, whatever stands between them: "H100"
    means an "NVIDIA H100 80GB HBM3", "A100-80GB" an "NVIDIA A100-SXM4-80GB", and "L4" no "L40".
    """
    if wanted == ANY:
        return True
    words = iter(_WORD.findall(model.upper()))
    return all(word in words for word in _WORD.findall(wanted.upper()))


@dataclass(frozen=True)
class _Group:
    node: Node
    model: str
    simulated: bool
    devices: tuple[Device, ...]

    def claims(self) -> set[Claim]:
        return {(self.node.id, device.id) for device in self.devices}


def _groups(nodes: Iterable[Node]) -> Iterator[_Group]:
    for node in nodes:
        found: dict[tuple[str, bool], list[Device]] = {}
        for device in node.devices:
            if not device.trouble:
                found.setdefault((device.model, device.simulated), []).append(device)
        for (model, simulated), devices in found.items():
            yield _Group(node, model, simulated, tuple(devices))


def _able(spec: GpuSpec, nodes: Iterable[Node]) -> list[_Group]:
    """The groups that hold such a request when nobody else has any of their devices."""
    return [
        group
        for group in _groups(nodes)
        if len(group.devices) >= spec.count and any(is_model(wanted, group.model) for wanted in spec.models)
    ]


def usable(spec: GpuSpec, nodes: Iterable[Node]) -> frozenset[Claim]:
    """Every device that such a request could be given, now or when it is free."""
    if spec.count == 0:
        return frozenset()
    return frozenset().union(*(group.claims() for group in _able(spec, nodes)))


def place(spec: GpuSpec, nodes: Collection[Node], taken: Collection[Claim]) -> Placement | None:
    """Choose devices that are free now on a connected node, or None when there are none.

    Of the models in order of preference the first that can be had; of its groups one of real devices
    before simulated ones, then that with the least memory, then the one that has the fewest devices
    left over afterwards. cpu goes to the embedded node, else to any.
    """
    connected = [node for node in nodes if node.state is NodeState.CONNECTED]
    if spec.count == 0:
        best = min(connected, key=lambda node: (not node.embedded, node.name, node.id), default=None)
        return None if best is None else Placement(best.id, ())
    for wanted in spec.models:
        choices = []
        for group in _able(GpuSpec((wanted,), spec.count), connected):
            free = [device for device in group.devices if (group.node.id, device.id) not in taken]
            if len(free) >= spec.count:
                choices.append((group, free))
        if choices:
            group, free = min(choices, key=_fit)
            return Placement(group.node.id, tuple(device.id for device in free[: spec.count]))
    return None


def _fit(choice: tuple[_Group, list[Device]]) -> tuple[bool, int, int, bool, str, str]:
    group, free = choice
    memory = group.devices[0].memory_bytes or 0
    return (group.simulated, memory, len(free), not group.node.embedded, group.node.name, group.node.id)


def check_fits(spec: GpuSpec, nodes: Collection[Node]) -> None:
    """Refuse what waiting cannot help.

    Raises:
        NoDeviceFits: no node could ever hold it; the message lists what exists.
        Unavailable: there is no node at all (yet).
    """
    if not nodes:
        raise Unavailable("no GPU host has connected to this executor yet; try again in a moment")
    if spec.count == 0 or _able(spec, nodes):
        return
    devices = [device for node in nodes for device in node.devices]
    stock = Counter((device.model, device.simulated, bool(device.trouble)) for device in devices)
    fields = {
        "gpu": str(spec),
        "count": spec.count,
        "available": [
            {"model": model, "simulated": simulated, "trouble": trouble, "count": count}
            for (model, simulated, trouble), count in sorted(stock.items())
        ],
    }
    largest = _largest(spec, nodes)
    wanted = " or ".join(model if model != ANY else "GPU" for model in spec.models)
    if largest:
        raise NoDeviceFits(
            f"asked for {spec.count} {wanted}{'s' if wanted == 'GPU' else ''}, the largest node has {largest}",
            largest=largest,
            **fields,
        )
    ways = _WAYS_OUT.format(model="H100" if spec.models[0] == ANY else spec.models[0])
    raise NoDeviceFits(f"no {wanted} here: this executor has {_listed(stock)}; {ways}", **fields)


def _largest(spec: GpuSpec, nodes: Collection[Node]) -> int:
    """How many of the wanted devices the best node has together, when that is too few."""
    return max((len(group.devices) for group in _able(GpuSpec(spec.models, 1), nodes)), default=0)


def _listed(stock: Counter[tuple[str, bool, bool]]) -> str:
    if not stock:
        return "no GPU"
    return ", ".join(
        f"{count} x {model}{' (simulated)' if simulated else ''}{' (out of order)' if trouble else ''}"
        for (model, simulated, trouble), count in sorted(stock.items())
    )
