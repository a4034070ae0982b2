"""A value to bytes and back, in pickles that either side makes and the other loads: protocol 5, by value for what a
notebook defines. The worker makes them in a way of its own, which knows more to refuse; what both share is here.

Two things differ from plain cloudpickle. A function that lives in the notebook's own namespace is bound, where
it is loaded, to the notebook's namespace *there*: it goes on seeing names as they change. And a module is
nothing but its name.
"""

import importlib
import pickle
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

import cloudpickle
import xxhash

PICKLE_PROTOCOL = 5


@dataclass(frozen=True)
class Packed:
    """A value as a pickle. `data` is None if it was over the limit; `size_bytes` and `digest` then are still true.

    `functions` are those of the notebook's namespace that it contains: what they read has to be there too.
    """

    data: bytes | None
    digest: str
    size_bytes: int
    functions: tuple[FunctionType, ...]


def digest_of(data: bytes) -> str:
    """The xxh3-128 of a pickle, in hex."""
    return xxhash.xxh3_128_hexdigest(data)


def pack_value(value: Any, namespace: Mapping[str, Any], limit_bytes: int) -> Packed:
    """Pickle and hash `value`; memory stays within `limit_bytes` however large it is.

    `namespace` is the notebook's (`vars(__main__)`).

    Raises:
        Exception: whatever the value's own pickling raises.
    """
    sink = Sink(limit_bytes)
    pickler = _Pickler(sink, namespace)
    pickler.dump(value)
    return Packed(sink.data, sink.digest, sink.size_bytes, tuple(pickler.functions))


def unpack_value(data: bytes) -> Any:
    """The value of a pickle. Only where the user's own code runs anyway: their kernel, their worker."""
    return pickle.loads(data)


class Sink:
    """Takes what a pickler writes: hashes all of it, and keeps it while it is within the limit."""

    def __init__(self, limit_bytes: int) -> None:
        self.size_bytes = 0
        self._hash = xxhash.xxh3_128()
        self._pieces: list[bytes] = []
        self._limit = limit_bytes

    def write(self, data: bytes | bytearray | memoryview | pickle.PickleBuffer) -> int:
        """Called by the pickler."""
        piece = data if isinstance(data, bytes) else memoryview(data)
        size = piece.nbytes if isinstance(piece, memoryview) else len(piece)
        self._hash.update(piece)
        self.size_bytes += size
        if self.size_bytes <= self._limit:
            self._pieces.append(bytes(piece))
        else:
            self._pieces.clear()
        return size

    @property
    def digest(self) -> str:
        """Of all of it, as `digest_of`."""
        return self._hash.hexdigest()

    @property
    def data(self) -> bytes | None:
        """All of it, or None if it was over the limit."""
        return b"".join(self._pieces) if self.size_bytes <= self._limit else None


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
    def __init__(self, sink: Sink, namespace: Mapping[str, Any]) -> None:
        super().__init__(sink, protocol=PICKLE_PROTOCOL)
        self._namespace = namespace
        self.functions: list[FunctionType] = []

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, FunctionType):
            return self._reduce_function(obj)
        if isinstance(obj, ModuleType):
            # A lazily bound module of ours need not have been imported here, so its class has a say.
            known = obj.__name__ in sys.modules or getattr(type(obj), "travels_by_name", False)
            return (importlib.import_module, (obj.__name__,)) if known else NotImplemented
        if isinstance(obj, type):
            return super().reducer_override(obj)
        return NotImplemented

    def _reduce_function(self, function: FunctionType) -> Any:
        reduced = super().reducer_override(function)
        if function.__globals__ is not self._namespace or not isinstance(reduced, tuple):
            return reduced
        self.functions.append(function)
        return bound_to_notebook(reduced)


def bound_to_notebook(reduced: tuple[Any, ...]) -> tuple[Any, ...]:
    """What cloudpickle's `reducer_override` made of a function of the notebook's namespace, changed so that it is
    bound, where it is loaded, to the notebook's namespace there instead of to a copy of what it reads here."""
    # cloudpickle's form: (make, (code, globals, ...), (dict, slots with __globals__), None, None, set state).
    make, (code, _, *rest), (attributes, slots), *others = reduced
    return make, (code, _Main(), *rest), (attributes, {**slots, "__globals__": {}}), *others


class _Main:
    """Becomes, where it is loaded, the namespace of the notebook there."""

    def __reduce__(self) -> tuple[Any, ...]:
        return vars, (_Module("__main__"),)


class _Module:
    """Becomes the module of that name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __reduce__(self) -> tuple[Any, ...]:
        return importlib.import_module, (self._name,)
