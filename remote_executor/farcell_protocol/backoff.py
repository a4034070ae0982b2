"""How long to wait before trying again: doubling, with jitter, up to a limit. Pure but for the dice."""

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Backoff:
    """Delays for one thing that is tried again and again; `reset` after it has worked.

    Each delay is between half and the whole of a doubling one, so that many who lost the same executor do not
    come back at the same moment. With `at_once` the first try after a failure waits for nothing.
    """

    first_s: float = 0.1
    limit_s: float = 5.0
    at_once: bool = False
    chance: Callable[[], float] = random.random
    _failures: int = 0

    def next_delay_s(self) -> float:
        """The delay after one more failure."""
        doublings = self._failures - self.at_once
        self._failures += 1
        if doublings < 0:
            return 0.0
        # The exponent is bounded too: an executor may be away for days.
        whole = min(self.limit_s, self.first_s * 2.0 ** min(doublings, 30))
        return whole * (0.5 + self.chance() / 2)

    def reset(self) -> None:
        """It worked: the next failure waits a short time again."""
        self._failures = 0
