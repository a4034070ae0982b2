"""Two runs of the same cells, held against each other. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from tests.fidelity.normal import UNNAMED, Output, in_text, normalised
from tests.system.notebooks import Shown

_SHOWN_CHARS = 3000


@dataclass(frozen=True)
class Said:
    """What one cell said, and how its execution was answered."""

    outputs: tuple[Output, ...]
    status: str
    failed: tuple[str, str] = ("", "")
    """The name and text of its exception, as the answer has them: a runner of notebooks quotes these."""


def said(shown: Shown) -> Said:
    """A cell's output as it is compared."""
    failed = str(shown.reply.get("ename", "")), in_text(str(shown.reply.get("evalue", "")))
    return Said(tuple(normalised(shown.messages)), shown.status, failed)


def differences(local: Sequence[Said], far: Sequence[Said]) -> list[str]:
    """Every difference, for a person; empty if the two cannot be told apart."""
    found = [] if len(local) == len(far) else [f"{len(local)} cells locally, {len(far)} far"]
    for number, (ours, theirs) in enumerate(zip(local, far, strict=False), 1):
        found += [f"cell {number}: {line}" for line in _cell_differences(ours, theirs)]
    return found


def _cell_differences(local: Said, far: Said) -> list[str]:
    pairs = enumerate(zip_longest(local.outputs, far.outputs), 1)
    found = [
        f"message {n}:\n local {_text(ours)}\n   far {_text(theirs)}" for n, (ours, theirs) in pairs if ours != theirs
    ]
    if local.status != far.status:
        found.append(f"answered {local.status!r} locally, {far.status!r} far")
    elif far.failed != local.failed != UNNAMED:
        found.append(f"failed with {local.failed} locally, {far.failed} far")
    return found


def _text(output: Output | None) -> str:
    if output is None:
        return "(nothing)"
    parts: list[Any] = [output.kind, output.content, output.metadata or "", output.buffers or ""]
    text = " ".join(str(part) for part in parts if part)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}... ({len(text):,} characters)"
