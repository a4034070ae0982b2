"""`CellNeeds`: which of the names of a cell concern the other side, given what exists here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import FunctionType, ModuleType, UnionType
from typing import Any

from farcell.analysis.names import Names

# IPython's own names exist on both sides, each with its own meaning: `_`, `__`, `_5`, `_i`, `_ih`, `In`, ...
_SHELL_NAME = re.compile(r"_{1,3}|_i{1,3}|_i?\d+|_[iod]h|In|Out|get_ipython|exit|quit|__\w+__")


@dataclass(frozen=True)
class CellNeeds:
    """What a cell takes from here, and what of it may come back.

    `reads` exist here and the cell needs them. `returns` are all names whose value may differ
    afterwards, imported modules included; modules, functions and classes that it only reads are not among them.
    """

    names: Names
    reads: tuple[str, ...]
    returns: frozenset[str]


def needs_of(names: Names, namespace: Mapping[str, Any]) -> CellNeeds:
    """Join a cell's names with the live namespace."""
    reads = tuple(name for name in sorted(names.reads) if travels(name, namespace))
    changed = {name for name in names.writes | names.deletes if not is_shells_own(name)}
    returns = changed | {name for name in reads if may_change(namespace[name])}
    return CellNeeds(names, reads, frozenset(returns))


def travels(name: str, namespace: Mapping[str, Any]) -> bool:
    """Whether a name that code reads is the user's and exists here."""
    if name not in namespace or is_shells_own(name):
        return False
    # IPython puts an `open` of its own into the namespace, and it calls itself `io.open`; the far shell has one too.
    defined_in = getattr(namespace[name], "__globals__", {}).get("__name__", "") if name == "open" else ""
    return not str(defined_in).startswith("IPython.")


def is_shells_own(name: str) -> bool:
    """Whether IPython gives this name its meaning."""
    return _SHELL_NAME.fullmatch(name) is not None


def may_change(value: Any) -> bool:
    """Whether code that only reads a name may leave another value in it; definitions and modules stay."""
    return not is_a(value, ModuleType | FunctionType | type)


def is_a(value: Any, kinds: type | UnionType) -> bool:
    """Like `isinstance`, but the value itself is not asked: a proxy whose object is gone raises at every look."""
    return issubclass(type(value), kinds)
