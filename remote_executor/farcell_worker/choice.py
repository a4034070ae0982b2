"""Which transport a worker takes to its kernel. Pure, but for the question which ipykernel is installed."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

from farcell_protocol.ipykernels import is_tried, untried

TransportName = Literal["fast", "bridge"]

FORCE = "FARCELL_TRANSPORT"
"""Environment variable: "fast" or "bridge", whatever is installed."""

KERNEL = "FARCELL_KERNEL"
"""Environment variable: the name of a Jupyter kernelspec to run cells with, over the bridge."""


@dataclass(frozen=True)
class Choice:
    """A transport, and what there is to say about it to the user, or nothing."""

    transport: TransportName
    note: str = ""
    kernel: str = ""


def transport_for(version: str) -> TransportName:
    """The fast path for a version of ipykernel that was tried, else the bridge, which needs only the protocol."""
    return "fast" if is_tried(version) else "bridge"


def choose(version: str, environment: Mapping[str, str]) -> Choice:
    """What to take under these settings with this ipykernel; an empty version is one that is not installed."""
    kernel = environment.get(KERNEL, "")
    if kernel:
        return Choice("bridge", kernel=kernel)
    match environment.get(FORCE, ""):
        case "fast" | "bridge" as forced:
            return Choice(forced)
    transport = transport_for(version)
    return Choice(transport, "" if transport == "fast" else f"farcell: {untried(version)}\n")


def installed_version() -> str:
    """The version of ipykernel in this interpreter, or nothing."""
    try:
        return metadata.version("ipykernel")
    except metadata.PackageNotFoundError:
        return ""
