"""The last expression, and what IPython remembers of it."""

from tests.fidelity.case import Subject, here

results = Subject()

results("a result", "6 * 7")
results("a trailing semicolon", "6 * 7;")
results("None", "None")
results("an assignment", "x = 5")
results(
    "a string",
    r"""
'text with "both" \'quotes\''
""",
)
results("long structures wrap", "list(range(100))")
results("a deep structure", "{'a': {'b': {'c': [{'d': i} for i in range(10)]}}}")
results(
    "a recursive structure",
    """
loop = [1]
loop.append(loop)
loop
""",
)
results("a very long result", "'y' * 100_000")
results("_ and __ and ___", "1", "2", "3", "_, __, ___")
results("_n and Out[n]", "'remembered'", "Out[max(Out)] == 'remembered'")
results(
    "Out has the result of this number",
    "'by number'",
    """
n = max(Out)
Out[n], globals()[f'_{n}']
""",
)
results("In has the cells", "first = 'one'", "In[-2]")
results("_i and _ih", "'asked'", "_i", "_ih[-3:]")
results("_ is not taken when None", "5", "None", "_")
results("_ taken by the user", "_ = 'mine'", "7", "_", after="del _")
results("a result here is _ there", here("41"), "_")
results("a result there is _ here", "42", here("_"))
results("a result there is in Out here", "43", here("Out[max(Out)]"))
results(
    "only the last expression shows",
    """
1
2
3
""",
)
results(
    "all expressions, if asked",
    "get_ipython().ast_node_interactivity = 'all'",
    """
1
2
""",
    after="get_ipython().ast_node_interactivity = 'last_expr'",
)
results("a generator", "(i for i in range(3))")
results(
    "a lambda, a function, a class",
    """
def f(): pass
f, lambda: 0, int
""",
)
results(
    "a class of the notebook",
    """
class Thing: pass
Thing, Thing()
""",
)
results(
    "a dataclass",
    """
from dataclasses import dataclass
@dataclass
class Point:
    x: int
    y: float = 0.5
Point(1)
""",
)
results(
    "an enum",
    """
import enum
class Colour(enum.Enum):
    RED = 1
Colour.RED, list(Colour)
""",
)
results(
    "a named tuple",
    """
from typing import NamedTuple
class P(NamedTuple):
    x: int
P(3)
""",
)
results(
    "a module",
    """
import json
json
""",
)
results("sets and frozensets are ordered", "{3, 1, 2}, frozenset('ba'), {'k': {2, 1}}")
results(
    "bytes, complex, Ellipsis, range",
    r"""
b'\x00a', 1j, ..., range(3)
""",
)
results(
    "Decimal, Fraction, dates",
    """
from decimal import Decimal
from fractions import Fraction
import datetime as dt
Decimal('1.10'), Fraction(1, 3), dt.date(2024, 2, 29), dt.timedelta(1)
""",
)
results(
    "OrderedDict, Counter, deque, defaultdict",
    """
from collections import *
OrderedDict(a=1), Counter('aab'), deque([1], 3), defaultdict(list)
""",
)
results(
    "a Path",
    """
from pathlib import Path
Path('a') / 'b'
""",
)
results(
    "__name__ and __main__",
    """
import sys
__name__, sys.modules['__main__'].__dict__ is globals()
""",
)
results("an exception as a value", "ValueError('as a value')")
results("a large integer", "2 ** 200")
results("an integer too large to print", "10 ** 5000")
results(
    "context variables last between cells",
    """
import contextvars
var = contextvars.ContextVar('var', default='unset')
var.set('set')
var.get()
""",
    "var.get()",
)
results(
    "names of an earlier cell",
    """
def double(n):
    return 2 * n
""",
    "double(21)",
)
results(
    "names of the notebook's own kernel",
    here("""
def triple(n):
    return 3 * n
factor = 7
"""),
    "triple(factor)",
)
results(
    "a class of the notebook's own kernel",
    here("""
class Money:
    def __init__(self, n): self.n = n
    def __repr__(self): return f'Money({self.n})'
"""),
    "Money(5)",
    here("Money(6)"),
)
results("what a far cell made, shown here", "made = {'a': [1, 2]}", here("made"))
results(
    "a class made there, used here",
    """
class Far:
    def __repr__(self): return 'Far()'
far_one = Far()
""",
    here("far_one"),
)
results(
    "generators",
    """
def count():
    for i in range(3):
        yield i
counter = count()
next(counter)
""",
    "next(counter), list(counter)",
)
results("a user's displayhook attributes", "get_ipython().displayhook.prompt_count == get_ipython().execution_count")
results(
    "a docstring",
    """
def f():
    'says'
f.__doc__
""",
)
results(
    "unpickled functions know their module",
    """
def f(): pass
f.__module__, f.__qualname__
""",
)
results(
    "inspect.getsource",
    """
import inspect
def f():
    return 1  # kept
print(inspect.getsource(f))
""",
)
results(
    "inspect.getsource of an earlier cell",
    """
def g():
    return 2  # kept
""",
    """
import inspect
print(inspect.getsource(g))
""",
)
results(
    "a function made there says its source here",
    """
def made_far():
    return 4  # kept
""",
    here("""
import inspect
print(inspect.getsource(made_far))
"""),
)
results(
    "inspect.getsource of a function of the notebook's own kernel",
    here("""
def h():
    return 3  # kept
"""),
    """
import inspect
print(inspect.getsource(h))
""",
)
results(
    "__builtins__ and dunder names",
    "import sys\nsorted(n for n in globals() if n.startswith('__'))",
    "sys.modules['__main__']",
    "__spec__, __loader__, __package__, __doc__, type(sys.modules['__main__']).__name__",
)
