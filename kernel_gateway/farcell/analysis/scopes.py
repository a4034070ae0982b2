"""Which names belong to a function, a class body or a comprehension. Pure."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
ComprehensionNode = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_OWN_SCOPE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass
class Scope:
    """A scope below the module. In a class body `names` grows as the body runs; elsewhere it is complete."""

    kind: Literal["function", "class", "comprehension"]
    names: set[str] = field(default_factory=set)
    globals: set[str] = field(default_factory=set)
    nonlocals: set[str] = field(default_factory=set)


def function_scope(node: FunctionNode) -> Scope:
    """The scope of a function's body: parameters and everything bound in it, however deep in its statements."""
    scope = Scope("function", set(_parameters(node.args)))
    body: Iterable[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else node.body
    for part in body:
        _collect(part, scope)
    scope.names -= scope.globals | scope.nonlocals
    return scope


def comprehension_scope(node: ComprehensionNode) -> Scope:
    """The scope of a comprehension: its targets alone; a walrus binds outside."""
    targets = (name for part in node.generators for name in bound_in(part.target))
    return Scope("comprehension", set(targets))


def class_scope(node: ast.ClassDef) -> Scope:
    """The scope of a class body before it runs."""
    scope = Scope("class")
    for part in node.body:
        _collect(part, scope)
    scope.names.clear()
    return scope


def bound_in(target: ast.AST) -> Iterator[str]:
    """The plain names that an assignment to `target` binds."""
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _parameters(args: ast.arguments) -> Iterator[str]:
    for arg in [*args.posonlyargs, *args.args, *args.kwonlyargs]:
        yield arg.arg
    for star in (args.vararg, args.kwarg):
        if star is not None:
            yield star.arg


def _collect(node: ast.AST, scope: Scope, in_comprehension: bool = False) -> None:
    """Add to `scope` what `node` binds in it. Only a walrus binds from within a comprehension."""
    scope.names.update(_bound_by(node, in_comprehension))
    if isinstance(node, ast.Global):
        scope.globals.update(node.names)
    elif isinstance(node, ast.Nonlocal):
        scope.nonlocals.update(node.names)
    inner = in_comprehension or isinstance(node, _COMPREHENSIONS)
    for child in _same_scope_children(node):
        _collect(child, scope, inner)


def _bound_by(node: ast.AST, in_comprehension: bool) -> Iterator[str]:
    match node:
        case ast.NamedExpr(target=ast.Name(id=name)):
            yield name
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) if not in_comprehension:
            yield name
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.Import() | ast.ImportFrom():
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name


def _same_scope_children(node: ast.AST) -> Iterator[ast.AST]:
    """The children evaluated in the same scope: of a function or class, all but its body."""
    if not isinstance(node, _OWN_SCOPE):
        yield from ast.iter_child_nodes(node)
    elif isinstance(node, ast.Lambda):
        yield from defaults(node.args)
    elif isinstance(node, ast.ClassDef):
        yield from [*node.decorator_list, *node.bases, *node.keywords]
    else:
        yield from [*node.decorator_list, *defaults(node.args), *annotations(node)]


def defaults(args: ast.arguments) -> Iterator[ast.expr]:
    """The default values, evaluated when the function is defined."""
    yield from args.defaults
    yield from (value for value in args.kw_defaults if value is not None)


def annotations(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.expr]:
    """The annotations of a function's parameters and result."""
    args = node.args
    for arg in [*args.posonlyargs, *args.args, args.vararg, *args.kwonlyargs, args.kwarg]:
        if arg is not None and arg.annotation is not None:
            yield arg.annotation
    if node.returns is not None:
        yield node.returns
