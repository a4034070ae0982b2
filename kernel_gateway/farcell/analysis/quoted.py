"""Python inside the strings that IPython's own syntax becomes: `%timeit f(x)`, `%%time`, `!echo {x}`. Pure.

`%timeit f(x)` is transformed to `get_ipython().run_line_magic('timeit', 'f(x)')`, so the names it reads are in a
string.
"""

import ast
import re
from collections.abc import Iterator

_RUNS_ITS_LINE = {"time", "timeit", "prun", "mprun", "memit", "lprun", "debug", "pdb", "pinfo", "pinfo2"}
_RUNS_ITS_CELL = {"time", "timeit", "prun", "capture", "memit", "mprun"}
_MAGIC_CALLS = {"run_line_magic", "run_cell_magic", "system", "getoutput", "getoutput_wait"}
# IPython expands {expression} and $name (not $$name) in shell commands and in the lines of magics.
_EXPANDED = re.compile(r"\{([^{}]+)\}|(?<!\$)\$([A-Za-z_][\w.]*)")
_OPTIONS = re.compile(r"^(\s*-\w+(\s*\d+)?\s+)*")


def code_in(call: ast.Call) -> Iterator[str]:
    """Pieces of source that a call of `get_ipython()` will run or expand; nothing for any other call."""
    match call.func:
        case ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython")), attr=attr) if attr in _MAGIC_CALLS:
            texts = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            if len(texts) == len(call.args):
                yield from _from(attr, texts)


def _from(call: str, texts: list[str]) -> Iterator[str]:
    if call == "run_cell_magic" and len(texts) == 3 and texts[0] in _RUNS_ITS_CELL:
        yield texts[2]
    if call in ("run_line_magic", "run_cell_magic") and len(texts) >= 2:
        if texts[0] in _RUNS_ITS_LINE:
            yield _OPTIONS.sub("", texts[1])
        yield from _expansions(texts[1])
    elif texts:
        yield from _expansions(texts[0])


def _expansions(text: str) -> Iterator[str]:
    for found in _EXPANDED.finditer(text):
        yield found.group(1) or found.group(2)
