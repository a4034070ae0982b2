"""What is compared: a cell, the cells it needs, and what is known to differ. Data only."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """One cell. `here` runs it in the notebook's own kernel on both sides, without the magic; `answers` is what a
    person types, question by question. A cell without any is run as by a front end that cannot ask."""

    code: str
    here: bool = False
    answers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """Cells run one after the other; the messages of all of them are compared, except those of `after`.

    `after` puts back what the case changed in the shared kernels. `late` says that a plain kernel may show some of the
    output after its cell has ended, since it reads descriptors at its leisure. `limit` says why the two sides are known
    to differ: the case must then fail, so that a limit that is gone is noticed.
    """

    name: str
    cells: tuple[Cell, ...]
    after: str = ""
    limit: str = ""
    late: bool = False


def here(code: str) -> Cell:
    """A cell of the notebook's own kernel."""
    return Cell(_dedented(code), here=True)


def asked(code: str, *answers: str) -> Cell:
    """A cell that asks."""
    return Cell(_dedented(code), answers=answers)


class Subject:
    """A list of cases on one subject, filled from the top of the file to its end."""

    def __init__(self) -> None:
        self.cases: list[Case] = []

    def __call__(self, name: str, *cells: str | Cell, after: str = "", limit: str = "", late: bool = False) -> None:
        made = tuple(cell if isinstance(cell, Cell) else Cell(_dedented(cell)) for cell in cells)
        self.cases.append(Case(name, made, _dedented(after), limit, late))


def _dedented(code: str) -> str:
    return code.removeprefix("\n").removesuffix("\n")


@dataclass(frozen=True)
class Way:
    """How cells are made far: the far kernel's first cell, and what both kernels are given for a cell's code."""

    first: str
    local: Callable[[str], str]
    far: Callable[[str], str]


def _marked(code: str) -> str:
    return f"%%gpu cpu\n{code}"


def _remarked(code: str) -> str:
    """Where the magic stands there, a comment, so that lines have the same numbers."""
    return code if code.lstrip().startswith("%%") else f"#%%gpu cpu\n{code}"


def _as_it_is(code: str) -> str:
    return code


EACH_MARKED = Way("%load_ext farcell", _remarked, _marked)
"""Every cell has the magic."""

ALL_USE = Way("%load_ext farcell\n%gpu use cpu", _as_it_is, _as_it_is)
"""No cell has; one in the beginning sends them all."""
