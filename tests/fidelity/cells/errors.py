"""Exceptions: what a person sees of them."""

from tests.fidelity.case import Subject, here

errors = Subject()

errors(
    "division by zero",
    """
a = 1
b = 0

a / b
""",
)
errors("a name that is not there", "prnit('x')")
errors("an attribute that is not there", "[].appendd(1)")
errors("a key, an index", "{'a': 1}['b']", "[][3]")
errors(
    "output before the error",
    """
print('before')
1 / 0
print('after')
""",
)
errors(
    "output without a newline before the error",
    """
print('before', end='')
1 / 0
""",
)
errors(
    "in a function of the same cell",
    """
def f(n):
    return 1 / n

f(0)
""",
)
errors(
    "in a function of an earlier cell",
    """
def inverse(n):
    # a comment
    return 1 / n
""",
    "inverse(0)",
)
errors(
    "in a function of the notebook's own kernel",
    here("""
def inverse_here(n):
    # a comment
    return 1 / n
"""),
    "inverse_here(0)",
)
errors(
    "in a method of a class of the notebook's own kernel",
    here("""
class Account:
    def take(self, n):
        raise ValueError(f'cannot take {n}')
"""),
    "Account().take(5)",
)
errors(
    "here, in a function made there",
    """
def broken_far(n):
    # a comment
    return 1 / n
""",
    here("broken_far(0)"),
)
errors(
    "in a callback from the library",
    """
import json
def hook(d):
    raise LookupError('hooked')
json.loads('{}', object_hook=hook)
""",
)
errors(
    "deep in the library",
    """
import json
json.loads('{"a": }')
""",
)
errors(
    "in a class body",
    """
class C:
    x = 1
    y = x / 0
""",
)
errors(
    "in __init__",
    """
class C:
    def __init__(self):
        self.x = undefined_name
C()
""",
)
errors("in a comprehension", "[1 / n for n in (2, 1, 0)]")
errors(
    "in a generator",
    """
def gen():
    yield 1
    raise RuntimeError('exhausted')
list(gen())
""",
)
errors("in a lambda", "(lambda: {}['x'])()")
errors(
    "in a decorator",
    """
def deco(f):
    raise TypeError('not today')
@deco
def g(): pass
""",
)
errors(
    "chained, from",
    """
try:
    {}['x']
except KeyError as err:
    raise ValueError('no x') from err
""",
)
errors(
    "chained, during",
    """
try:
    1 / 0
except ZeroDivisionError:
    undefined_name
""",
)
errors(
    "chained, from None",
    """
try:
    1 / 0
except ZeroDivisionError:
    raise ValueError('hidden') from None
""",
)
errors("an ExceptionGroup", "raise ExceptionGroup('several', [ValueError('one'), TypeError('two')])")
errors(
    "a nested ExceptionGroup",
    "raise ExceptionGroup('outer', [ExceptionGroup('inner', [KeyError('k')]), OSError(2, 'gone')])",
)
errors(
    "an ExceptionGroup with prints",
    """
print('before')
raise ExceptionGroup('several', [ValueError('one')])
""",
)
errors(
    "except*",
    """
try:
    raise ExceptionGroup('g', [ValueError('v'), TypeError('t')])
except* ValueError as group:
    print('caught', group.exceptions)
""",
)
errors(
    "a group as the cause",
    """
try:
    raise ExceptionGroup('g', [ValueError('v')])
except ExceptionGroup as g:
    raise RuntimeError('after a group') from g
""",
)
errors(
    "a note",
    """
err = ValueError('noted')
err.add_note('look here')
raise err
""",
)
errors("several arguments", "raise ValueError('a', 1, None)")
errors("no message", "raise ValueError")
errors(
    "a message of many lines",
    r"""
raise ValueError('first\nsecond\n  third')
""",
)
errors(
    "a class of one's own",
    """
class Broken(Exception):
    pass
raise Broken('mine')
""",
)
errors(
    "a class with a __str__",
    """
class Odd(Exception):
    def __str__(self):
        return f'odd: {self.args}'
raise Odd(1, 2)
""",
)
errors(
    "a __str__ that raises",
    """
class Bad(Exception):
    def __str__(self):
        raise RuntimeError('no text')
raise Bad()
""",
    limit="IPython fails over it in the middle of our shell, which the traceback shows",
)
errors(
    "a _render_traceback_",
    """
class Own(Exception):
    def _render_traceback_(self):
        return ['my own', 'traceback']
raise Own('x')
""",
)
errors(
    "a _render_traceback_ that is empty",
    """
class Own(Exception):
    def _render_traceback_(self):
        return []
raise Own('x')
""",
)
errors(
    "an assertion",
    """
x = 3
assert x == 4, f'x is {x}'
""",
)
errors("a bare assertion", "assert 1 > 2")
errors(
    "recursion",
    """
import inspect, sys
usual = sys.getrecursionlimit()
sys.setrecursionlimit(len(inspect.stack(0)) + 50)
def down(n):
    return down(n + 1)
try:
    down(0)
finally:
    sys.setrecursionlimit(usual)
""",
)
errors(
    "SystemExit",
    """
import sys
sys.exit(3)
""",
)
errors(
    "SystemExit with a text",
    """
import sys
sys.exit('good bye')
""",
)
errors("SystemExit without a word", "raise SystemExit")
errors("KeyboardInterrupt raised by code", "raise KeyboardInterrupt")
errors(
    "KeyboardInterrupt with a text",
    """
def f():
    raise KeyboardInterrupt('by code')
f()
""",
)
errors(
    "KeyboardInterrupt caught",
    """
try:
    raise KeyboardInterrupt
except KeyboardInterrupt:
    print('caught')
""",
)
errors("GeneratorExit, StopIteration", "next(iter([]))", "raise GeneratorExit('g')")
errors(
    "a syntax error",
    """
x = (1,
     2
""",
)
errors(
    "a syntax error on a later line",
    """
a = 1
b = 2 +* 3
c = 4
""",
)
errors(
    "an indentation error",
    """
def f():
return 1
""",
)
errors(
    "a tab error",
    """
if True:
        x = 1
	y = 2
""",
)
errors("return outside of a function", "return 5")
errors("a syntax error in exec", "exec('a b')")
errors(
    "a syntax error in a file",
    """
%%writefile broken.py
def f(:
    pass
""",
    "import broken",
)
errors(
    "an error in an imported file",
    """
%%writefile failing.py
def fail():
    raise OSError('from a file')
""",
    """
import failing
failing.fail()
""",
)
errors("an import that is not there", "import no_such_module_at_all")
errors("from an import that is not there", "from json import no_such_name")
errors("a file that is not there", "open('/no/such/file')")
errors(
    "an exception from C",
    """
import numpy as np
np.zeros(3).reshape(2, 2)
""",
)
errors(
    "an error in a with",
    """
from contextlib import contextmanager
@contextmanager
def cm():
    print('enter')
    try:
        yield
    finally:
        print('leave')
with cm():
    raise ValueError('inside')
""",
)
errors(
    "a finally that prints",
    """
try:
    1 / 0
finally:
    print('finally')
""",
)
errors(
    "a long cell",
    """
v0 = 0
v1 = 1
v2 = 2
v3 = 3
v4 = 4
v5 = 5
v6 = 6
v7 = 7
v8 = 8
v9 = 9
v10 = 10
v11 = 11
v12 = 12
v13 = 13
v14 = 14
v15 = 15
v16 = 16
v17 = 17
v18 = 18
v19 = 19
v20 = 20
v21 = 21
v22 = 22
v23 = 23
v24 = 24
v25 = 25
v26 = 26
v27 = 27
v28 = 28
v29 = 29
v30 = 30
v31 = 31
v32 = 32
v33 = 33
v34 = 34
v35 = 35
v36 = 36
v37 = 37
v38 = 38
v39 = 39
v40 = 40
v41 = 41
v42 = 42
v43 = 43
v44 = 44
v45 = 45
v46 = 46
v47 = 47
v48 = 48
v49 = 49
v50 = 50
v51 = 51
v52 = 52
v53 = 53
v54 = 54
v55 = 55
v56 = 56
v57 = 57
v58 = 58
v59 = 59
1 / 0
w = 1
""",
)
errors(
    "a call over several lines",
    """
print(
    'a',
    1 / 0,
)
""",
)
errors("unicode in the line", "jméno = 'š'; 1 / 0  # ←")
errors("%tb after an error", "1 / 0", "%tb")
errors(
    "sys.last_value after an error",
    "{}['last']",
    """
import sys
sys.last_type, sys.last_value
""",
)
errors(
    "traceback.print_exc",
    """
import traceback
try:
    1 / 0
except ZeroDivisionError:
    traceback.print_exc()
""",
)
errors(
    "showtraceback from code",
    """
try:
    1 / 0
except ZeroDivisionError:
    get_ipython().showtraceback()
print('went on')
""",
)
errors(
    "a custom exception handler",
    """
def handler(shell, etype, value, tb, tb_offset=None):
    print('handled', etype.__name__)
get_ipython().set_custom_exc((LookupError,), handler)
""",
    "{}['x']",
    after="get_ipython().set_custom_exc((), None)",
)
errors("the next cell runs", "1 / 0", "print('still here')")
errors(
    "an error in a display",
    """
from IPython.display import display
class R:
    def _ipython_display_(self):
        raise ValueError('in display')
display(R())
print('after')
""",
)
errors(
    "an argument missing",
    """
def f(a, *, b): pass
f(1)
""",
)
errors("an unhashable key", "{[]: 1}")
errors(
    "a cancelled error",
    """
import asyncio
raise asyncio.CancelledError('by code')
""",
)
