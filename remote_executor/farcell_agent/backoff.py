"""How long to wait before trying again: doubling, with jitter, up to a limit. Pure but for the dice."""

import random
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """Delays for one thing that is tried again and again; `reset` after it has worked.

    Each delay is between half and the whole of a doubling one, so that many agents which lost the same
    executor do not come back at the same moment.
    """

    first_s: float = 0.1
    limit_s: float = 5.0
    dice: random.Random = field(default_factory=random.Random)
    _failures: int = 0

    def next_delay_s(self) -> float:
        """The delay after one more failure."""
        whole = min(self.limit_s, self.first_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return whole * self.dice.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It worked: the next failure waits a short time again."""
        self._failures = 0
