"""Which transport a worker takes to its kernel. Pure, but for the question which ipykernel is installed."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

TransportName = Literal["fast", "bridge"]

TRIED = {"6.29": "6.29.5", "7.1": "7.1.0", "7.2": "7.2.0", "7.3": "7.3.0", "7.4": "7.4.0"}
"""The series of ipykernel whose insides the fast path knows, each with the release that the contract suite
(`tests/contract/test_worker_transport.py`) was passed with. A patch release of a series counts as tried."""

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
    return "fast" if _series(version) in TRIED and not _is_early(version) else "bridge"


def choose(version: str, environment: Mapping[str, str]) -> Choice:
    """What to take under these settings with this ipykernel; an empty version is one that is not installed."""
    kernel = environment.get(KERNEL, "")
    if kernel:
        return Choice("bridge", kernel=kernel)
    match environment.get(FORCE, ""):
        case "fast" | "bridge" as forced:
            return Choice(forced)
    transport = transport_for(version)
    return Choice(transport, "" if transport == "fast" else _note(version))


def installed_version() -> str:
    """The version of ipykernel in this interpreter, or nothing."""
    try:
        return metadata.version("ipykernel")
    except metadata.PackageNotFoundError:
        return ""


def _note(version: str) -> str:
    tried = " and ".join(f"{series}.x" for series in TRIED)
    return (
        f"farcell: ipykernel {version} has not been tried here, only {tried}: cells reach it over Jupyter's own "
        "sockets, which is slower by some milliseconds a cell\n"
    )


def _series(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _is_early(version: str) -> bool:
    """An alpha, beta, candidate or development release: its third number is not one."""
    return not version.replace(".", "").isdigit()
