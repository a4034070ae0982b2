"""How a GPU is asked for: `H100`, `H100:2`, `A100,H100` (in order of preference), `cpu`, or nothing (any GPU)."""

import re
from dataclasses import dataclass

from farcell_protocol.errors import BadSpec

_MODEL = re.compile(r"[A-Za-z][A-Za-z0-9 ._-]*[A-Za-z0-9]|[A-Za-z]")
ANY = "any"
CPU = "cpu"
MOST = 10_000
"""No more of a GPU can be asked for; whether there are as many is decided elsewhere."""


@dataclass(frozen=True)
class GpuSpec:
    """Which devices a run needs: `count` of one of `models`, the first that can be had.

    `models` is ("any",) for any GPU; `count` is 0 for "cpu" and then `models` is empty.
    """

    models: tuple[str, ...]
    count: int

    def __str__(self) -> str:
        """The canonical text, equal for equal specifications: the key of a default session uses it."""
        if self.count == 0:
            return CPU
        return ",".join(model if self.count == 1 else f"{model}:{self.count}" for model in self.models)


def parse_gpus(text: str) -> GpuSpec:
    """Read a specification as a user types it.

    Model names are compared without regard to case and kept in upper case. One count holds for all
    alternatives and may stand behind each ("A100:2,H100:2").

    Raises:
        BadSpec: the text is none of the forms above; the message says which would be.
    """
    if text in ("", ANY):
        return GpuSpec((ANY,), 1)
    if text != text.strip():
        raise BadSpec(f"{text!r} has blanks around it; write {text.strip()!r}", spec=text)
    if text.lower() == CPU:
        return GpuSpec((), 0)
    models: list[str] = []
    counts: set[int] = set()
    for part in text.split(","):
        model, colon, count = part.strip().partition(":")
        if not _MODEL.fullmatch(model):
            raise BadSpec(f"{text!r} is not a GPU: write H100, H100:2, A100,H100 or cpu", spec=text)
        counts.add(_count(text, count) if colon else 1)
        name = ANY if model.lower() == ANY else model.upper()
        if name == CPU.upper():
            raise BadSpec(f"{text!r}: cpu stands alone, without a count or an alternative", spec=text)
        if name not in models:
            models.append(name)
    if len(counts) > 1:
        raise BadSpec(f"{text!r} asks for different counts; one count holds for all alternatives", spec=text)
    return GpuSpec(tuple(models), counts.pop())


def _count(text: str, count: str) -> int:
    if not count.isascii() or not count.isdigit() or not count.strip("0"):
        raise BadSpec(f"{text!r}: the count must be a whole number from 1 up", spec=text, count=count)
    digits = count.lstrip("0")
    if len(digits) > len(str(MOST)) or int(digits) > MOST:
        raise BadSpec(f"{text[:100]!r}: the count may be at most {MOST:,}", spec=text[:100], count=count[:100])
    return int(digits)
