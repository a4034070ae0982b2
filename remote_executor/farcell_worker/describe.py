"""What a handle shows of a value: quickly, and without ever failing, however large or broken the value is."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from types import FrameType
from typing import Any

from farcell_protocol.frames import ValueInfo

REPR_CHARS = 200
REPR_S = 0.2
_MANY = 1000
_SHOWN = 6
_DEPTH = 4
_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    dict: ("{", "}"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
}


def describe(value: Any) -> ValueInfo:
    """Type, short repr, and size, shape, dtype and device where the value says them."""
    return ValueInfo(
        type=type_name(value),
        repr=short_repr(value),
        size_bytes=_size_bytes(value),
        shape=shape_of(value),
        dtype=_text(value, "dtype"),
        device=_text(value, "device"),
    )


def short_repr(value: Any) -> str:
    """At most 200 characters; a repr that raises or takes longer than 0.2 s is replaced by the type and length."""
    try:
        with _deadline(REPR_S):
            text = _repr_of(value, _DEPTH)
    except KeyboardInterrupt:
        raise
    except BaseException:
        text = _outline(value)
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= REPR_CHARS else text[: REPR_CHARS - 3] + "..."


def _repr_of(value: Any, depth: int) -> str:
    kind = type(value)
    if kind in (str, bytes, bytearray):
        return repr(value[: REPR_CHARS + 1])
    if kind in _BRACKETS and value:
        return _repr_of_items(value, depth)
    if kind is int and value.bit_length() > 8 * REPR_CHARS:
        return f"<int of {value.bit_length():,} bits>"
    # A repr written in C cannot be stopped once begun, so it is not begun on something long.
    if not _is_python(kind.__repr__) and _length(value) > _MANY:
        return _outline(value)
    return repr(value)


def _repr_of_items(value: Any, depth: int) -> str:
    """A built-in container with its first items. Not `reprlib`, which sorts a whole set or dict to show six of it."""
    opening, closing = _BRACKETS[type(value)]
    if depth == 0:
        return f"{opening}...{closing}"
    if isinstance(value, dict):
        pairs = islice(value.items(), _SHOWN)
        items = [f"{_repr_of(key, depth - 1)}: {_repr_of(item, depth - 1)}" for key, item in pairs]
    else:
        items = [_repr_of(item, depth - 1) for item in islice(value, _SHOWN)]
    more = ", ..." if len(value) > _SHOWN else "," if items[1:] == [] and isinstance(value, tuple) else ""
    return f"{opening}{', '.join(items)}{more}{closing}"


def _is_python(function: Any) -> bool:
    return hasattr(function, "__code__")


def _length(value: Any) -> int:
    try:
        return len(value)
    except Exception:
        return 0


def _outline(value: Any) -> str:
    length = _length(value)
    return f"<{type_name(value)} of {length:,} items>" if length else f"<{type_name(value)}>"


def type_name(value: Any) -> str:
    """Its module and name; of a built-in the name alone."""
    kind = type(value)
    try:
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    except Exception:
        name = "object"
    return str(name)


class _TooSlow(BaseException):
    """Raised inside a repr that is over its time; not an `Exception`, which it might catch."""


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Stop Python code called within, at a line after the deadline. By tracing, since an alarm signal is the user's
    and an exception set from a thread may arrive too late."""
    end = time.monotonic() + seconds

    def trace(_frame: FrameType, _event: str, _arg: Any) -> Callable[..., Any]:
        if time.monotonic() > end:
            raise _TooSlow
        return trace

    def swallowed(what: "sys.UnraisableHookArgs") -> None:
        # Raised in a finaliser it is forgotten, comes again at the next line, and is nothing to show a user.
        if not isinstance(what.exc_value, _TooSlow):
            report(what)

    before, report = sys.gettrace(), sys.unraisablehook
    sys.unraisablehook = swallowed
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
        sys.unraisablehook = report


def attribute(value: Any, name: str) -> Any:
    """An attribute the *type* declares: asking the object would wake proxies that invent attributes."""
    try:
        return getattr(value, name) if hasattr(type(value), name) else None
    except Exception:
        return None


def shape_of(value: Any) -> tuple[int, ...] | None:
    """The lengths of its dimensions, if its type declares any."""
    try:
        shape = tuple(int(length) for length in attribute(value, "shape"))
    except Exception:
        return None
    return shape if len(shape) <= 64 else None


def _text(value: Any, name: str) -> str | None:
    found = attribute(value, name)
    if found is None or (callable(found) and name == "device"):
        return None
    try:
        return str(found)[:100]
    except Exception:
        return None


def declared_size(value: Any) -> int | None:
    """What it says itself of its bytes, which costs no more for a large one."""
    return _as_size(_declared(value))


def _declared(value: Any) -> Any:
    return sys.getsizeof(value) if issubclass(type(value), str | bytes | bytearray) else attribute(value, "nbytes")


def _size_bytes(value: Any) -> int | None:
    size = _declared(value)
    if size is None and attribute(value, "element_size") is not None:
        size = _called(lambda: value.element_size() * value.nelement())
    if size is None and attribute(value, "memory_usage") is not None:
        size = _called(lambda: int(value.memory_usage().sum()))
    return _as_size(size)


def _as_size(size: object) -> int | None:
    return size if isinstance(size, int) and size >= 0 else None


def _called(question: Callable[[], Any]) -> Any:
    try:
        return question()
    except Exception:
        return None
