"""What can be typed next behind `%%gpu` and `%gpu`. Pure: what exists is handed in."""

from collections.abc import Sequence
from dataclasses import dataclass

from farcell.options import COMMANDS, LOCAL, OPTIONS


@dataclass(frozen=True)
class Known:
    """What completion may offer: models of the fleet, living sessions (ids and names), runs."""

    models: Sequence[str] = ()
    sessions: Sequence[str] = ()
    names: Sequence[str] = ()
    runs: Sequence[str] = ()


def complete(line: str, known: Known) -> list[str]:
    """The words that may stand where `line` ends; IPython keeps those that fit what is typed."""
    words = line.split()
    before = words if line[-1:].isspace() else words[:-1]
    if not before:
        return []
    return _for_cell(before, known) if before[0] == "%%gpu" else _for_command(before[1:], known)


def _for_cell(before: list[str], known: Known) -> list[str]:
    if before[-1] == "--session":
        return list(known.names)
    if before[-1] == "--timeout":
        return ["90s", "10m", "2h"]
    options = [option for option in OPTIONS if option not in before]
    specs = [] if any(not word.startswith("-") for word in before[1:]) else ["cpu", *known.models]
    return [*specs, *options]


def _for_command(before: list[str], known: Known) -> list[str]:
    match before:
        case []:
            return list(COMMANDS)
        case ["use"]:
            return [LOCAL, "cpu", *known.models, *OPTIONS]
        case ["use", *_]:
            return _for_cell(before, known)
        case ["stop"]:
            return [*known.runs, *known.sessions, *known.names, "--all"]
        case ["attach"] | ["logs"]:
            return list(known.runs)
        case ["simulate"]:
            return ["H100", "H100:2", "A100", "L4"]
        case ["connect", _]:
            return ["--token-file"]
    return []
