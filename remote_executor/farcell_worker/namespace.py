"""What a session's namespace holds, for people to see: quickly, and without looking into any value."""

import types
from collections.abc import Iterator, Mapping
from typing import Any

from farcell_protocol.frames import Variable, Variables
from farcell_worker.describe import declared_size, shape_of, type_name

MOST_LISTED = 200

_NONE = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType)
_OF_IPYTHON = frozenset({"In", "Out", "get_ipython", "exit", "quit", "open"})


def variables_of(namespace: Mapping[str, Any]) -> Variables:
    """The variables by name. Values are asked for what their types declare; that costs no more for a large one."""
    names = sorted(_names(namespace))
    listed = [_variable(name, namespace[name]) for name in names[:MOST_LISTED]]
    return Variables(listed, more=len(names) - len(listed))


def _names(namespace: Mapping[str, Any]) -> Iterator[str]:
    for name, value in list(namespace.items()):
        if not isinstance(name, str) or name.startswith("_") or name in _OF_IPYTHON:
            continue
        # The value is not asked for its class: a proxy may raise at every look.
        if not issubclass(type(value), _NONE):
            yield name


def _variable(name: str, value: Any) -> Variable:
    return Variable(name[:200], type_name(value)[:200], declared_size(value), shape_of(value))
