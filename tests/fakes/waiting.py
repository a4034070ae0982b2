"""Waiting for what other processes do and announce to nobody."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def eventually(condition: Callable[[], T], what: str, deadline_s: float = 20.0) -> T:
    """Look until `condition` is true and return what it gave.

    Raises:
        AssertionError: not within the deadline; it says `what` did not happen.
    """
    end = time.monotonic() + deadline_s
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {deadline_s:g} s: {what}"
        time.sleep(0.005)
    return found


def is_running(pid: int) -> bool:
    """Whether there is such a process, and not only what is left of it until its parent asks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
