"""What a cell reads, writes and deletes: a table, and a check against executing the code."""

import builtins
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farcell.analysis.names import Import, names_in

# source: (reads but for builtins, writes, deletes)
CASES: dict[str, tuple[str, str, str]] = {
    "x": ("x", "", ""),
    "x = 1": ("", "x", ""),
    "x = 1; x": ("", "x", ""),
    "x = x + 1": ("x", "x", ""),
    "x += 1": ("x", "x", ""),
    "x = 1\nx += y": ("y", "x", ""),
    "x: int = y": ("y", "x", ""),
    "x: T": ("T", "", ""),
    "a.b: T = c": ("a T c", "", ""),
    "a, (b, *c) = d": ("d", "a b c", ""),
    "a = b = c": ("c", "a b", ""),
    "a[i] = v": ("a i v", "", ""),
    "a[i] += v": ("a i v", "", ""),
    "a.b.c = v": ("a v", "", ""),
    "xs.append(y)": ("xs y", "", ""),
    "del x": ("x", "", "x"),
    "x = 1\ndel x": ("", "x", "x"),
    "x = 1\ndel x\nx": ("x", "x", "x"),
    "del a[i], b.c": ("a i b", "", ""),
    "(y := f(x))": ("f x", "y", ""),
    "(y := 1) + y": ("", "y", ""),
    "a and (y := 1)\ny": ("a y", "y", ""),
    "(y := 1) if c else z\ny": ("c z y", "y", ""),
    "a < b < (c := d)\nc": ("a b d c", "c", ""),
    "[x for x in xs]": ("xs", "", ""),
    "[x for x in x]": ("x", "", ""),
    "[y for x in xs if x > t for y in x]": ("xs t", "", ""),
    "[x for x in xs]\nx": ("xs x", "", ""),
    "{k: v for k, v in d.items()}": ("d", "", ""),
    "{x for x in xs}": ("xs", "", ""),
    "sum(x * w for x in xs)": ("xs w", "", ""),
    "[last := x for x in xs]": ("xs", "last", ""),
    "[last := x for x in xs]\nlast": ("xs last", "last", ""),
    "[[y for y in x] for x in xs]": ("xs", "", ""),
    "[[z := y for y in x] for x in xs]": ("xs", "z", ""),
    "f = lambda a, b=c: a + b + d": ("c d", "f", ""),
    "lambda *a, **k: (a, k)": ("", "", ""),
    "lambda: (y := 1)": ("", "", ""),
    "def f(a, b=c, *d, e=g, **h): return a, b, d, e, h, i": ("c g i", "f", ""),
    "def f(n): return f(n - 1)": ("", "f", ""),
    "def f(): x = 1; return x": ("", "f", ""),
    "def f():\n  global x\n  x = 1": ("", "f x", ""),
    "def f():\n  global x\n  x += 1": ("x", "f x", ""),
    "def f():\n  global x\n  del x": ("x", "f", "x"),
    "def f():\n  x = 1\n  def g():\n    nonlocal x\n    x = 2": ("", "f", ""),
    "def f():\n  x = 1\n  return lambda: x + y": ("y", "f", ""),
    "def f(a: T) -> U: pass": ("T U", "f", ""),
    "@deco(x)\ndef f(): pass": ("deco x", "f", ""),
    "def f():\n  for i in r: pass\n  return i": ("r", "f", ""),
    "def f():\n  import m\n  return m.x": ("", "f", ""),
    "def f():\n  print(y)\n  y = 1": ("", "f", ""),
    "def f():\n  [z := 1 for _ in r]\n  return z": ("r", "f", ""),
    "y = 1\ndef f(): return y": ("", "y f", ""),
    "async def f():\n  async with a as b:\n    async for c in b: yield c": ("a", "f", ""),
    "await f(x)": ("f x", "", ""),
    "async with a as b: b": ("a", "b", ""),
    "async for x in xs: x": ("xs", "x", ""),
    "[x async for x in xs]": ("xs", "", ""),
    "class A: pass": ("", "A", ""),
    "class A(B, metaclass=M): pass": ("B M", "A", ""),
    "@deco\nclass A: pass": ("deco", "A", ""),
    "class A:\n  x = y\n  z = x": ("y", "A", ""),
    "class A:\n  x = x": ("x", "A", ""),
    "class A:\n  x = 1\n  def m(self): return x": ("x", "A", ""),
    "class A:\n  def m(self): return A": ("", "A", ""),
    "class A:\n  x = [y for y in ys]": ("ys", "A", ""),
    "class A:\n  global g\n  g = 1": ("", "A g", ""),
    "import a": ("", "a", ""),
    "import a.b": ("", "a", ""),
    "import a.b as c": ("", "c", ""),
    "from a import b as c, d": ("", "c d", ""),
    "from a import *": ("", "", ""),
    "from a import *\nz": ("z", "", ""),
    "if c: x = 1\nx": ("c x", "x", ""),
    "if c: x = 1\nelse: x = 2\nx": ("c", "x", ""),
    "if c: x = 1\nelse: raise E\nx": ("c E", "x", ""),
    "for i in r: i": ("r", "i", ""),
    "for i in r: y = i\ny": ("r y", "i y", ""),
    "for i in r: pass\nelse: z = 1": ("r", "i z", ""),
    "for a.b in r: pass": ("r a", "", ""),
    "while c: x = 1\nx": ("c x", "x", ""),
    "while (line := f()): line": ("f", "line", ""),
    "with a as b, b.c as d: e = d\ne": ("a", "b d e", ""),
    "with suppress(E): e = 1\ne": ("suppress E e", "e", ""),
    "try: a = f()\nexcept E as e: e\nelse: b = a\nfinally: c = 1": ("f E", "a e b c", "e"),
    "try: a = f()\nexcept E: a = 1\na": ("f E", "a", ""),
    "try: a = f()\nexcept E: pass\na": ("f E a", "a", ""),
    "try: a = f()\nfinally: a": ("f a", "a", ""),
    "try: f()\nexcept* E as g: g": ("f E", "g", "g"),
    "match v:\n  case [x, *y]: x, y\n  case {'k': k, **r}: k, r\n  case P(a=q) if q > t: q\n  case _: z = 1": (
        "v P t", "x y k r q z", "",
    ),
    "match v:\n  case 1: x = 1\n  case _: x = 2\nx": ("v", "x", ""),
    "match v:\n  case 1: x = 1\nx": ("v x", "x", ""),
    "match v:\n  case M.A | M.B: pass": ("v M", "", ""),
    "f'{x!r:>{w}} {y=}'": ("x w y", "", ""),
    "assert x, m": ("x m", "", ""),
    "raise E from c": ("E c", "", ""),
    "x[a:b, ...]": ("x a b", "", ""),
    "f(*a, **k)": ("f a k", "", ""),
    "get_ipython().run_line_magic('timeit', '-n 3 f(x)')": ("get_ipython f x", "", ""),
    "get_ipython().run_cell_magic('time', '', 'y = f(x)\\n')": ("get_ipython f x", "y", ""),
    "get_ipython().system('ls {path} $name $$notme')": ("get_ipython path name", "", ""),
    "files = get_ipython().getoutput('ls {path}')": ("get_ipython path", "files", ""),
    "get_ipython().run_line_magic('matplotlib', 'inline')": ("get_ipython", "", ""),
    "get_ipython().run_cell_magic('bash', '', 'echo $x')": ("get_ipython", "", ""),
}  # fmt: skip


@pytest.mark.parametrize("source", CASES)
def test_a_cell_names_what_it_reads_writes_and_deletes(source: str) -> None:
    found = names_in(source)
    reads = {name for name in found.reads if not hasattr(builtins, name)}
    reads |= {"get_ipython"} & found.reads
    got = tuple(" ".join(sorted(group)) for group in (reads, found.writes, found.deletes))
    assert got == tuple(" ".join(sorted(text.split())) for text in CASES[source])


def test_imports_say_what_each_name_is_bound_to() -> None:
    found = names_in("import a.b, c.d as e\nfrom .m import n as o\nfrom p import *")
    assert found.imports == (
        Import("a", "a", loads="a.b"),
        Import("e", "c.d"),
        Import("o", ".m", "n"),
    )
    assert found.stars == ("p",)


def test_attribute_chains_are_noted_whole() -> None:
    assert {"xml.etree.ElementTree", "a.b"} <= names_in("xml.etree.ElementTree.parse(f)\na.b = 1\nf().c.d").dotted


class Watched(dict[str, Any]):
    """A namespace that notes what is fetched from it before it was put there."""

    def __init__(self, outer: dict[str, Any]) -> None:
        super().__init__()
        self.outer, self.fetched, self.bound = outer, set[str](), set[str]()

    def __getitem__(self, name: str) -> Any:
        if name in self:
            return super().__getitem__(name)
        if name in self.outer:
            self.fetched.add(name)
            return self.outer[name]
        raise KeyError(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self.bound.add(name)
        super().__setitem__(name, value)


_NAME = st.sampled_from("abcde")
_EXPRESSION = st.recursive(
    _NAME | st.just("1"),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda two: f"({two[0]} + {two[1]})"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]} and {two[1]})"),
        st.tuples(inner, inner, inner).map(lambda three: f"({three[0]} if {three[1]} else {three[2]})"),
        st.tuples(_NAME, inner).map(lambda two: f"({two[0]} := {two[1]})"),
        st.tuples(inner, _NAME).map(lambda two: f"sum([{two[0]} for {two[1]} in [0, 1]])"),
        inner.map(lambda one: f"(lambda: {one})()"),
    ),
    max_leaves=5,
)
_SIMPLE = st.one_of(
    st.tuples(_NAME, _EXPRESSION).map(lambda two: f"{two[0]} = {two[1]}"),
    st.tuples(_NAME, _EXPRESSION).map(lambda two: f"{two[0]} += {two[1]}"),
    _EXPRESSION,
)
_STATEMENT = st.recursive(
    _SIMPLE.map(lambda text: [text]),
    lambda inner: st.one_of(
        st.tuples(_EXPRESSION, inner, inner).map(lambda t: [f"if {t[0]}:", *_in(t[1]), "else:", *_in(t[2])]),
        st.tuples(_NAME, inner).map(lambda t: [f"for {t[0]} in [0, 1]:", *_in(t[1])]),
        st.tuples(inner, inner).map(lambda t: ["try:", *_in(t[0]), "except Exception:", *_in(t[1])]),
        st.tuples(inner, inner).map(lambda t: ["try:", *_in(t[0]), "finally:", *_in(t[1])]),
        inner.map(lambda body: ["class K:", *_in(body)]),
        st.tuples(inner, inner).map(lambda t: [*t[0], *t[1]]),
    ),
    max_leaves=6,
)


def _in(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines]


@given(st.lists(_STATEMENT, min_size=1, max_size=4), st.sets(_NAME))
@settings(max_examples=300, deadline=None)
def test_whatever_code_fetches_or_binds_when_executed_was_named(statements: list[list[str]], present: set[str]) -> None:
    source = "\n".join(line for statement in statements for line in statement)
    try:
        code = compile(source, "cell", "exec")
    except SyntaxError:
        return  # a walrus where Python does not allow one
    outer = dict.fromkeys(present, 2) | {"sum": sum, "Exception": Exception, "__name__": "cell"}
    outer["__build_class__"] = builtins.__build_class__
    # Functions look in real globals, past the watching; so those see everything that may be there.
    space = Watched(outer)
    with suppress(Exception):  # a name missing, a sum of the wrong things: what was fetched until then still counts
        exec(code, {"__builtins__": outer | vars(builtins)}, space)
    found = names_in(source)
    assert space.fetched - {"sum", "Exception", "__name__"} <= found.reads, source
    assert space.bound - {"K"} <= found.writes, source
