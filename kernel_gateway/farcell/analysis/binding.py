"""Which names are certainly bound at a point of the source, and what that makes of each name met. Pure."""

import ast
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from farcell.analysis.scopes import Scope

_LEFT = object()


@dataclass(frozen=True)
class Import:
    """`name` is bound to a module, or to its `attribute` for a `from` import; `import a.b` also `loads` a.b."""

    name: str
    module: str
    attribute: str = ""
    loads: str = ""


@dataclass(frozen=True)
class Names:
    """What a piece of source does with the names around it.

    `reads` are needed from outside; `writes` includes imports, functions and classes, and `certain` are those
    of them that are bound whenever the source runs to its end; `stars` are modules imported with `*`, whose
    names cannot be known; `dotted` are the attribute chains that begin at a name
    ("xml.etree.ElementTree"), by which submodules are recognised.
    """

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    deletes: frozenset[str] = frozenset()
    imports: tuple[Import, ...] = ()
    stars: tuple[str, ...] = ()
    dotted: frozenset[str] = frozenset()
    certain: frozenset[str] = frozenset()


class Bindings(ast.NodeVisitor):
    """What was found so far, and the names certainly bound at this point of the walk."""

    def __init__(self) -> None:
        self.reads: set[str] = set()
        self.writes: set[str] = set()
        self.deletes: set[str] = set()
        self.imports: list[Import] = []
        self.stars: list[str] = []
        self.dotted: set[str] = set()
        self._bound: set[str] = set()
        self._scopes: list[Scope] = []

    @property
    def certain(self) -> set[str]:
        """The names that are bound at this point whichever way was taken to it."""
        return set(self._bound)

    # ---- names ---------------------------------------------------------------------------------

    def load(self, name: str) -> None:
        """A name is read here: find whose it is, and note it if it can be from outside."""
        for depth, scope in enumerate(reversed(self._scopes)):
            if name in scope.globals:
                break
            if scope.kind == "class" and depth > 0:
                continue  # a class body's names are not seen from the functions in it
            if name in scope.names:
                return
        if name not in self._bound:
            self.reads.add(name)

    def store(self, name: str) -> None:
        """A name is bound here."""
        scope = self._scopes[-1] if self._scopes else None
        if scope is None:
            self._bound.add(name)
            self.writes.add(name)
        elif name in scope.globals:
            self.writes.add(name)
        elif scope.kind == "class":
            scope.names.add(name)

    def delete(self, name: str) -> None:
        """A name is unbound here; unbinding what came from outside needs it to be there."""
        scope = self._scopes[-1] if self._scopes else None
        if scope is None or name in scope.globals:
            self.load(name)
            self._bound.discard(name)
            self.deletes.add(name)
        elif scope.kind == "class":
            scope.names.discard(name)

    def run(self, nodes: Iterable[ast.AST]) -> None:
        """Visit in order."""
        for node in nodes:
            self.visit(node)

    # ---- what runs only perhaps ----------------------------------------------------------------

    def perhaps(self, *nodes: ast.AST | None) -> None:
        """Visit what may not run: it binds nothing for certain."""
        before = set(self._bound)
        self.run(node for node in nodes if node is not None)
        self._bound &= before

    def one_of(self, branches: Sequence[Callable[[], object]]) -> None:
        """Visit alternatives of which one runs: certain is what all of them bind that do not leave."""
        before = set(self._bound)
        ends: list[set[str]] = []
        for branch in branches:
            self._bound = set(before)
            if branch() is not _LEFT:
                ends.append(self._bound)
        self._bound = set.intersection(*ends) if ends else before

    def block(self, nodes: Sequence[ast.stmt]) -> object:
        """Visit a branch's statements; says whether it always leaves by raising."""
        self.run(nodes)
        return _LEFT if nodes and isinstance(nodes[-1], ast.Raise) else None

    def within(self, scope: Scope, work: Callable[[], None]) -> None:
        """Visit in a scope of its own; whatever a walrus binds on the way is not certain."""
        before = set(self._bound)
        self._scopes.append(scope)
        work()
        self._scopes.pop()
        self._bound &= before
