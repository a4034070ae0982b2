"""What is written behind `%%gpu`, read into a frozen value. Pure; knows no IPython."""

import difflib
import math
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from farcell_protocol.gpus import GpuSpec, parse_gpus

LOCAL = "local"
"""What `%gpu use` and a cell's tag say for "here"."""

FORM = "%%gpu [H100 | H100:2 | A100,H100 | cpu] [--session NAME] [--once] [--timeout 10m] [--detach]"
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(s|m|h|)")
_REMARK = re.compile(r"(^|\s)#.*")
_SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")


class OptionError(ValueError):
    """The line behind `%%gpu` or `%gpu` cannot be read; the text says what would be."""


@dataclass(frozen=True)
class CellOptions:
    """Where and how a cell is to run. `session` is empty for the default session of notebook and specification."""

    gpu: GpuSpec
    session: str = ""
    once: bool = False
    timeout_s: float | None = None
    detach: bool = False


def parse_options(line: str) -> CellOptions:
    """Read the rest of a `%%gpu` line.

    Raises:
        OptionError: an option or its value cannot be read.
        BadSpec: the GPU specification cannot be read.
    """
    tokens = iter(split(line))
    specs: list[str] = []
    options = CellOptions(parse_gpus(""))
    for token in tokens:
        if token.startswith("-"):
            options = _take(options, token, tokens)
        else:
            specs.append(token)
    if len(specs) > 1:
        raise OptionError(f"one specification only, not {' and '.join(specs)}; alternatives are written A100,H100")
    if options.once and options.session:
        raise OptionError("--once releases its session at the end, so it goes without --session")
    return replace(options, gpu=parse_gpus(specs[0])) if specs else options


def split(line: str) -> list[str]:
    """The words of a line as a shell would cut it, without the remark at its end: IPython leaves that to magics.

    Raises:
        OptionError: a quotation mark is not closed.
    """
    try:
        return shlex.split(_REMARK.sub("", line))
    except ValueError as err:
        raise OptionError(f"cannot read {line.strip()!r}: {str(err).lower()}") from err


def _take(options: CellOptions, token: str, rest: Iterator[str]) -> CellOptions:
    name, equals, given = token.partition("=")
    if name in _FLAGS:
        if equals:
            raise OptionError(f"{name} takes no value")
        return _FLAGS[name](options)
    if name not in _VALUED:
        raise OptionError(f"there is no option {name}{_near(name, OPTIONS)}. The form is: {FORM}")
    text = given if equals else next(rest, "")
    if not text or (not equals and text.startswith("-")):
        raise OptionError(f"{name} needs a value, as in: {name} {_VALUED[name][0]}")
    return _VALUED[name][1](options, text)


def _with_session(options: CellOptions, text: str) -> CellOptions:
    if not _SESSION.fullmatch(text) or text.startswith("s-"):
        raise OptionError(
            f"{text!r} cannot name a session: write 1 to 64 letters, digits, blanks or . _ -, "
            "beginning with a letter or digit and not with s-"
        )
    return replace(options, session=text)


def _with_timeout(options: CellOptions, text: str) -> CellOptions:
    return replace(options, timeout_s=duration_s(text))


def duration_s(text: str) -> float:
    """`90`, `90s`, `10m` or `1.5h` in seconds.

    Raises:
        OptionError: it is none of these, or not above 0.
    """
    found = _DURATION.fullmatch(text.strip())
    seconds = float(found[1]) * _SECONDS[found[2]] if found else math.nan
    if not 0 < seconds < math.inf:
        raise OptionError(f"{text!r} is not a duration: write seconds, or 90s, 10m, 2h")
    return seconds


_FLAGS: dict[str, Callable[[CellOptions], CellOptions]] = {
    "--once": lambda options: replace(options, once=True),
    "--detach": lambda options: replace(options, detach=True),
}
_VALUED: dict[str, tuple[str, Callable[[CellOptions, str], CellOptions]]] = {
    "--session": ("training", _with_session),
    "--timeout": ("10m", _with_timeout),
}
OPTIONS = (*_VALUED, *_FLAGS)
"""Every option of `%%gpu`."""


def _near(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    return f" (did you mean {' or '.join(close)}?)" if close else ""


def options_text(options: CellOptions) -> str:
    """The options as they would be written behind `%%gpu`."""
    words = [str(options.gpu)]
    words += ["--session", shlex.quote(options.session)] if options.session else []
    words += ["--timeout", f"{options.timeout_s:g}s"] if options.timeout_s is not None else []
    return " ".join(words + ["--once"] * options.once + ["--detach"] * options.detach)


COMMANDS = ("status", "use", "vars", "sessions", "stop", "attach", "simulate", "connect", "logs")
"""Every word that may follow `%gpu`."""


@dataclass(frozen=True)
class Command:
    """A `%gpu` line: its verb, what it applies to, and for `connect` the file with the token.

    `target` may be "--all" for `stop`; for `use` it is the rest of the line, as behind `%%gpu`."""

    verb: str
    target: str = ""
    token_file: str = ""


def parse_command(line: str) -> Command:
    """Read the rest of a `%gpu` line; nothing at all means `status`.

    Raises:
        OptionError: there is no such command, or it takes other words.
    """
    verb, *words = split(line) or ["status"]
    if verb not in COMMANDS:
        hint = "; to run a cell on a GPU write two percent signs: %%gpu" if verb[:1].isupper() else ""
        raise OptionError(f"%gpu has no command {verb!r}{_near(verb, COMMANDS)}{hint}. Commands: {', '.join(COMMANDS)}")
    if verb == "use":
        return Command(verb, line.strip()[len(verb) :].strip())
    token_file = ""
    if verb == "connect" and "--token-file" in words:
        at = words.index("--token-file")
        token_file = next(iter(words[at + 1 : at + 2]), "")
        if not token_file:
            raise OptionError("--token-file needs the name of a file")
        del words[at : at + 2]
    return Command(verb, _one_target(verb, words), token_file)


_NEEDS = {
    "simulate": "a GPU, as in: %gpu simulate H100:2",
    "connect": "an address, as in: %gpu connect https://host:8765",
}


def _one_target(verb: str, words: list[str]) -> str:
    takes = {"status": 0, "sessions": 0, "vars": 0}.get(verb, 1)
    if len(words) > takes:
        raise OptionError(f"%gpu {verb} does not understand {' '.join(words[takes:])!r}")
    if verb in _NEEDS and not words:
        raise OptionError(f"%gpu {verb} needs {_NEEDS[verb]}")
    if words and words[0].startswith("-") and (verb, words[0]) != ("stop", "--all"):
        raise OptionError(f"%gpu {verb} has no option {words[0]}")
    return words[0] if words else ""
