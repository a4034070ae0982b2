"""Source to the names it reads from outside, binds, deletes and imports. Pure: nothing is executed.

The source is walked in the order in which Python evaluates it, with the set of names certainly bound so far. A
name read while not in that set comes from outside. What runs only perhaps (a branch, a loop's body, a
function's body) binds nothing for certain, so `reads` may name too much, never too little.
"""

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from farcell.analysis.binding import Import, Names
from farcell.analysis.walker import Walker

__all__ = ["Import", "Names", "names_in"]


_FRAMES_A_LEVEL = 8
"""How many calls of ours one level of an expression takes at the most; IPython walks the same tree with one."""


@contextmanager
def _deeper() -> Iterator[None]:
    """Room for what nests as deep as a plain cell may."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(_FRAMES_A_LEVEL * before)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def names_in(source: str) -> Names:
    """The names of a cell whose IPython syntax has been transformed to calls of `get_ipython()`.

    Raises:
        SyntaxError: it is not Python.
    """
    walker = Walker()
    with _deeper():
        walker.run(ast.parse(source).body)
    return Names(
        frozenset(walker.reads),
        frozenset(walker.writes),
        frozenset(walker.deletes),
        tuple(walker.imports),
        tuple(walker.stars),
        frozenset(walker.dotted),
        frozenset(walker.certain),
    )
