"""Where in a value the part is that cannot be pickled: `model.cfg['lock']: _thread.lock`."""

import functools
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import FunctionType
from typing import Any

from farcell.analysis.needs import is_a
from farcell_protocol.errors import ValueNotPicklable
from farcell_protocol.values import pack_value

_MOST_PARTS = 20_000
"""How many parts are looked at before the nearest one found so far is named."""


def explain(name: str, value: Any, namespace: Mapping[str, Any], cause: Exception) -> ValueNotPicklable:
    """The error for a value whose pickling raised `cause`."""
    path, part = find(name, value, namespace)
    kind = type(part)
    label = (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )
    return ValueNotPicklable(
        f"the cell reads {name}, which cannot travel: {path}: {label} ({_first_line(cause)}). "
        "Make that part inside the %%gpu cell, or keep it out of what the cell reads.",
        name=name,
        path=path,
        type=label,
    )


def find(name: str, value: Any, namespace: Mapping[str, Any]) -> tuple[str, Any]:
    """The path to, and the innermost part of `value` that cannot be pickled by itself."""
    path, part = name, value
    budget = [_MOST_PARTS]
    seen = {id(value)}
    while True:
        for step, child in _looked_at(part):
            budget[0] -= 1
            if budget[0] < 0:
                return path, part
            if id(child) not in seen and not _picklable(child, namespace):
                seen.add(id(child))
                path, part = path + step, child
                break
        else:
            return path, part


def _picklable(value: Any, namespace: Mapping[str, Any]) -> bool:
    try:
        pack_value(value, namespace, 0)
    except Exception:
        return False
    return True


def _looked_at(value: Any) -> Iterator[tuple[str, Any]]:
    """Its parts, as far as it lets itself be looked at: it may raise anything when asked."""
    with suppress(Exception):
        yield from _children(value)


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    if is_a(value, dict):
        for key, item in value.items():
            yield f"[{key!r}]", item
            yield f" key {key!r}", key
    elif is_a(value, list | tuple | deque):
        yield from ((f"[{index}]", item) for index, item in enumerate(value))
    elif is_a(value, set | frozenset):
        yield from ((f" member {item!r}", item) for item in value)
    elif is_a(value, FunctionType):
        yield from _of_function(value)
    elif is_a(value, functools.partial):
        yield from [(".func", value.func), (".args", value.args), (".keywords", value.keywords)]
    yield from _attributes(value)


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    attributes = getattr(value, "__dict__", None)
    if isinstance(attributes, Mapping):
        yield from ((f".{key}", item) for key, item in list(attributes.items()) if not key.startswith("__"))
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else tuple(slots):
            if slot not in ("__dict__", "__weakref__") and hasattr(value, slot):
                yield f".{slot}", getattr(value, slot)


def _of_function(function: FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f" closure {name}", cell.cell_contents
        except ValueError:
            continue  # not bound yet
    for index, item in enumerate(function.__defaults__ or ()):
        yield f" default {index}", item


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
