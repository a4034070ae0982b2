"""The walk through a cell's syntax tree in the order in which Python evaluates it. Pure."""

import ast
from collections.abc import Callable, Iterable

from farcell.analysis import quoted
from farcell.analysis.binding import Bindings, Import
from farcell.analysis.scopes import (
    ComprehensionNode,
    FunctionNode,
    Scope,
    annotations,
    class_scope,
    comprehension_scope,
    defaults,
    function_scope,
)


class Walker(Bindings):
    """Says of each kind of syntax what is read and bound, and when."""

    # ---- expressions ---------------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> None:
        """A plain name in any context."""
        act = {ast.Load: self.load, ast.Store: self.store, ast.Del: self.delete}[type(node.ctx)]
        act(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """`a.b.c`: the whole chain is noted."""
        chain = ast.unparse(node) if _is_chain(node) else ""
        if chain:
            self.dotted.add(chain)
        self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        """A call; one of `get_ipython()` may have code in its strings."""
        self.generic_visit(node)
        for found in quoted.code_in(node):
            self._quoted(found)

    def _quoted(self, code: str) -> None:
        try:
            statements = ast.parse(code).body
        except (SyntaxError, ValueError):
            return  # IPython will say so there, as it would here
        self.perhaps(*statements)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        """`name := value`; from a comprehension it binds outside of it."""
        self.visit(node.value)
        scopes = self._scopes
        outside = len(scopes)
        while outside and scopes[outside - 1].kind == "comprehension":
            outside -= 1
        self._scopes = scopes[:outside]
        self.visit(node.target)
        self._scopes = scopes

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        """Only the first operand is certainly evaluated."""
        self.visit(node.values[0])
        self.perhaps(*node.values[1:])

    def visit_IfExp(self, node: ast.IfExp) -> None:
        """One of the two."""
        self.visit(node.test)
        self.one_of([lambda: self.visit(node.body), lambda: self.visit(node.orelse)])

    def visit_Compare(self, node: ast.Compare) -> None:
        """`a < b < c` stops at the first false one."""
        self.run([node.left, node.comparators[0]])
        self.perhaps(*node.comparators[1:])

    def visit_Dict(self, node: ast.Dict) -> None:
        """Key and value in turn."""
        for key, value in zip(node.keys, node.values, strict=True):
            self.run(part for part in (key, value) if part is not None)

    def _comprehension(self, node: ComprehensionNode) -> None:
        first, *others = node.generators
        self.visit(first.iter)  # evaluated outside, before the comprehension's own scope begins
        parts: list[ast.AST] = [*first.ifs]
        for generator in others:
            parts += [generator.iter, *generator.ifs]
        parts += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        targets = [generator.target for generator in node.generators]
        self.within(comprehension_scope(node), lambda: self.run([*targets, *parts]))

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    # ---- assignments and imports ---------------------------------------------------------------

    def visit_Assign(self, node: ast.Assign) -> None:
        """Value first."""
        self.run([node.value, *node.targets])

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """`x += 1` reads x as well."""
        if isinstance(node.target, ast.Name):
            self.load(node.target.id)
        self.run([node.value, node.target])

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """`x: T` alone binds nothing. In a function's body the annotation is not evaluated."""
        if not (self._scopes and self._scopes[-1].kind == "function" and isinstance(node.target, ast.Name)):
            self.visit(node.annotation)
        if node.value is not None:
            self.run([node.value, node.target])
        elif not isinstance(node.target, ast.Name):
            self.visit(node.target)

    def visit_Import(self, node: ast.Import) -> None:
        """`import a.b` binds a; `import a.b as c` binds a.b to c."""
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            if alias.asname or name == alias.name:
                self._import(Import(name, alias.name))
            else:
                self._import(Import(name, name, loads=alias.name))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """`from m import a as b`, or everything."""
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            if alias.name == "*":
                self.stars.append(module)
            else:
                self._import(Import(alias.asname or alias.name, module, alias.name))

    def _import(self, found: Import) -> None:
        if not self._scopes or found.name in self._scopes[-1].globals:
            self.imports.append(found)
        self.store(found.name)

    # ---- control flow --------------------------------------------------------------------------

    def visit_If(self, node: ast.If) -> None:
        """One of two branches."""
        self.visit(node.test)
        self.one_of([lambda: self.block(node.body), lambda: self.block(node.orelse)])

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        """The body may run not once."""
        self.visit(node.iter)
        self.perhaps(node.target, *node.body)
        self.perhaps(*node.orelse)

    visit_AsyncFor = visit_For

    def visit_While(self, node: ast.While) -> None:
        """The test runs at least once."""
        self.visit(node.test)
        self.perhaps(*node.body)
        self.perhaps(*node.orelse)

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        """The body counts as certain unless the manager is one that swallows exceptions by its name."""
        for item in node.items:
            self.run(part for part in (item.context_expr, item.optional_vars) if part is not None)
        swallows = any("suppress" in ast.unparse(item.context_expr) for item in node.items)
        if swallows:
            self.perhaps(*node.body)
        else:
            self.run(node.body)

    visit_AsyncWith = visit_With

    def visit_Try(self, node: ast.Try | ast.TryStar) -> None:
        """Either all of the body, or some of it and a handler; then the `finally`."""
        before = set(self._bound)
        ways: list[Callable[[], object]] = [lambda: self.block([*node.body, *node.orelse])]
        ways += [lambda handler=handler: self._handler(handler) for handler in node.handlers]  # type: ignore[misc]
        self.one_of(ways)
        after = self._bound
        self._bound = before & after  # a `finally` also runs when the body has failed
        self.run(node.finalbody)
        self._bound |= after - self.deletes

    visit_TryStar = visit_Try

    def _handler(self, node: ast.ExceptHandler) -> object:
        if node.type is not None:
            self.visit(node.type)
        if node.name is None:
            return self.block(node.body)
        self.store(node.name)
        left = self.block(node.body)
        self.delete(node.name)
        return left

    def visit_Match(self, node: ast.Match) -> None:
        """One of the cases, or none."""
        self.visit(node.subject)
        ways: list[Callable[[], object]] = [lambda case=case: self._case(case) for case in node.cases]  # type: ignore[misc]
        last = node.cases[-1]
        catches_all = last.guard is None and isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None
        self.one_of(ways if catches_all else [*ways, lambda: None])

    def _case(self, case: ast.match_case) -> object:
        self.visit(case.pattern)
        if case.guard is not None:
            self.visit(case.guard)
        return self.block(case.body)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        """`case pattern as name`."""
        self.generic_visit(node)
        if node.name is not None:
            self.store(node.name)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        """`case [*name]`."""
        if node.name is not None:
            self.store(node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        """`case {**name}`."""
        self.generic_visit(node)
        if node.rest is not None:
            self.store(node.rest)

    # ---- definitions ---------------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Decorators and defaults now; the body whenever it is called, when its own name is bound."""
        self.run(node.decorator_list)
        generic = _type_parameters(node)
        self.within(generic, lambda: self.run([*defaults(node.args), *annotations(node)]))
        self.store(node.name)
        self.within(generic, lambda: self._body(node, node.body))

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Defaults now; the body when it is called."""
        self.run(defaults(node.args))
        self._body(node, [node.body])

    def _body(self, node: FunctionNode, body: Iterable[ast.AST]) -> None:
        self.within(function_scope(node), lambda: self.run(body))

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """The body runs now, in a scope of its own."""
        self.run(node.decorator_list)
        generic = _type_parameters(node)
        self.within(generic, lambda: self.run([*node.bases, *node.keywords]))
        # Methods may name their class: it is bound by the time they are called.
        known = node.name in self._bound
        if not self._scopes:
            self._bound.add(node.name)
        self.within(generic, lambda: self.within(class_scope(node), lambda: self.run(node.body)))
        if not known:
            self._bound.discard(node.name)
        self.store(node.name)

    def visit_TypeAlias(self, node: ast.AST) -> None:
        """`type X[T] = ...` (Python 3.12): the value is evaluated when somebody looks."""
        self.visit(node.name)  # type: ignore[attr-defined]
        self.within(_type_parameters(node), lambda: self.visit(node.value))  # type: ignore[attr-defined]


def _type_parameters(node: ast.AST) -> Scope:
    return Scope("function", {parameter.name for parameter in getattr(node, "type_params", [])})


def _is_chain(node: ast.AST) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)
