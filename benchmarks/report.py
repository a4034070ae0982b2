"""What every benchmark prints: one line per comparison, for people or as JSON."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Comparison:
    """Samples of ours and of a peer from one run, in the same unit; `better` is "lower" or "higher".

    A peer that cannot be had has no samples and says why in `peer_missing`."""

    benchmark: str
    case: str
    ours: Sequence[float]
    peer: Sequence[float]
    peer_name: str
    unit: str
    better: str
    peer_missing: str = ""

    def as_dict(self) -> dict[str, object]:
        """The line's fields; `ratio` is ours / peer of the medians."""
        ours = median(self.ours)
        line: dict[str, object] = {"benchmark": self.benchmark, "case": self.case, "ours": round(ours, 4)}
        if self.peer_missing:
            line |= {"peer": None, "reason": self.peer_missing}
        else:
            peer = median(self.peer)
            line |= {"peer": round(peer, 4), "ratio": round(ours / peer, 4)}
        return line | {"peer_name": self.peer_name, "unit": self.unit, "better": self.better, "n": len(self.ours)}


def arguments(description: str | None, *, rounds: int) -> argparse.Namespace:
    """The options all benchmarks share: `--json` and `--rounds`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="one JSON object per comparison")
    parser.add_argument("--rounds", type=int, default=rounds, help=f"samples of each side (default {rounds})")
    return parser.parse_args()


def show(comparison: Comparison, *, as_json: bool) -> None:
    """Print one comparison."""
    line = comparison.as_dict()
    if as_json:
        print(json.dumps(line), flush=True)
        return
    peer = line["peer"] if line["peer"] is not None else line["reason"]
    print(
        f"{line['benchmark']}, {line['case']}: {line['ours']} {line['unit']}; {line['peer_name']}: {peer}; "
        f"ratio {line.get('ratio', '-')} ({line['better']} is better, n={line['n']})",
        flush=True,
    )
