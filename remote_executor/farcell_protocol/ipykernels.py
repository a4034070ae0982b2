"""Which releases of ipykernel workers were tried with. Pure; workers choose by it, and hosts are examined by it."""

TRIED = {"6.29": "6.29.5", "7.1": "7.1.0", "7.2": "7.2.0", "7.3": "7.3.0", "7.4": "7.4.0"}
"""The series of ipykernel whose insides the fast path knows, each with the release that the contract suite
(`tests/contract/test_worker_transport.py`) was passed with. A patch release of a series counts as tried."""


def is_tried(version: str) -> bool:
    """Whether a version belongs to a series that was tried, and is no alpha, beta, candidate or development release."""
    is_early = not version.replace(".", "").isdigit()  # the third number of such a one is none
    return ".".join(version.split(".")[:2]) in TRIED and not is_early


def untried(version: str) -> str:
    """What to say of a version that was not."""
    tried = " and ".join(f"{series}.x" for series in TRIED)
    return (
        f"ipykernel {version} has not been tried here, only {tried}: cells reach it over Jupyter's own "
        "sockets, which is slower by some milliseconds a cell"
    )
