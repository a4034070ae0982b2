"""Which global names a live function's code reads and rebinds, however deep in nested functions."""

import dis
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType

_READS = {"LOAD_GLOBAL", "LOAD_NAME"}
_WRITES = {"STORE_GLOBAL", "DELETE_GLOBAL"}


@dataclass(frozen=True)
class Touched:
    """Global names that code reads, and those it rebinds or deletes by a `global` statement."""

    reads: frozenset[str]
    writes: frozenset[str]


@lru_cache(maxsize=1024)
def globals_touched(code: CodeType) -> Touched:
    """The globals of a function's code and of all functions, classes and comprehensions in it."""
    reads: set[str] = set()
    writes: set[str] = set()
    for step in dis.get_instructions(code):
        if step.opname in _READS:
            reads.add(str(step.argval))
        elif step.opname in _WRITES:
            writes.add(str(step.argval))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner = globals_touched(constant)
            reads |= inner.reads
            writes |= inner.writes
    return Touched(frozenset(reads), frozenset(writes))
