"""A value to pickle bytes within a bound, so that an object of gigabytes costs no more than its first piece."""

import pickle
import sys
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import cloudpickle

from farcell_protocol.values import PICKLE_PROTOCOL, Sink, bound_to_notebook

_USERS_MODULE = b"__main__"
_LARGEST_WRITE_OF_NAMES = 256 * 2**10
"""A pickler writes opcodes and names in frames of about 64 KiB; whatever is larger is the content of one value."""


class StaysHere(Exception):  # an answer, not a failure of ours
    """The value does not travel; the text says why."""


class TooLarge(StaysHere):
    """Its pickle is over the bound."""


class _NeedsCloudpickle(Exception):  # caught one call up
    """Something defined in the user's `__main__`, which plain pickle would only name."""


@dataclass(frozen=True)
class Pickled:
    """A pickle in pieces, its size and the xxh3-128 of the whole. `data` is None if it was over the keeping bound."""

    data: bytes | None
    size_bytes: int
    digest: str


def pickled(value: Any, keep_bytes: int, stop_bytes: int | None = None) -> Pickled:
    """Pickle `value`: its bytes are kept up to `keep_bytes`, and only counted and hashed up to `stop_bytes` (which is
    the same if not given).

    Raises:
        TooLarge: more than `stop_bytes`, noticed before much more is made.
        StaysHere: it cannot be pickled, or lives in a GPU's memory.
    """
    stop_bytes = keep_bytes if stop_bytes is None else max(stop_bytes, keep_bytes)
    try:
        _refuse_at_a_glance(value, stop_bytes)
        return _dumped(value, keep_bytes, stop_bytes)
    except StaysHere:
        raise
    except RecursionError:
        raise StaysHere("it is nested too deeply to pickle") from None
    except (Exception, SystemExit) as err:
        raise StaysHere(_one_line(err)) from err


def _dumped(value: Any, keep_bytes: int, stop_bytes: int) -> Pickled:
    try:
        return _dump(_PlainPickler, value, _Sink(keep_bytes, stop_bytes, refuse=_USERS_MODULE))
    except (StaysHere, RecursionError):
        raise
    except Exception:
        # Not only `_NeedsCloudpickle`: lambdas and local classes fail in plain pickle in several ways.
        return _dump(_CloudPickler, value, _Sink(keep_bytes, stop_bytes))


class _Sink(Sink):
    """One that raises past the second bound, or at what is refused."""

    def __init__(self, keep_bytes: int, stop_bytes: int, refuse: bytes = b"") -> None:
        super().__init__(keep_bytes)
        self._stop, self._refuse = stop_bytes, refuse

    def write(self, data: bytes | bytearray | memoryview | pickle.PickleBuffer) -> int:
        size = len(data) if isinstance(data, bytes | bytearray) else memoryview(data).nbytes
        self.check(size)
        if self._refuse and size < _LARGEST_WRITE_OF_NAMES and self._refuse in bytes(data):
            raise _NeedsCloudpickle
        return super().write(data)

    def check(self, more_bytes: int) -> None:
        if self.size_bytes + more_bytes > self._stop:
            raise TooLarge(f"its pickle is larger than {self._stop:,} bytes")


class _PlainPickler(pickle.Pickler):
    """Plain pickle. Functions and classes of the user's `__main__` it would only name; the sink refuses the name."""

    def reducer_override(self, obj: Any) -> Any:
        refuse_gpu_memory(obj)
        return NotImplemented


class _CloudPickler(cloudpickle.Pickler):  # type: ignore[misc]  # untyped base
    """Cloudpickle, which carries those by value. A function looks up what it reads in the notebook it comes home to."""

    def reducer_override(self, obj: Any) -> Any:
        refuse_gpu_memory(obj)
        reduced = super().reducer_override(obj)
        is_users = isinstance(obj, FunctionType) and obj.__globals__ is vars(sys.modules["__main__"])
        return bound_to_notebook(reduced) if is_users and isinstance(reduced, tuple) else reduced


def _dump(kind: type, value: Any, sink: _Sink) -> Pickled:
    def check_buffer(buffer: pickle.PickleBuffer) -> bool:
        # Asked before the pickler copies it; true keeps it in band.
        sink.check(buffer.raw().nbytes)
        return True

    kind(sink, protocol=PICKLE_PROTOCOL, buffer_callback=check_buffer).dump(value)
    return Pickled(sink.data, sink.size_bytes, sink.digest)


def refuse_gpu_memory(value: Any) -> None:
    """Raises:
    StaysHere: the value lives in a GPU's memory.
    """
    kind = type(value)
    if "torch" in sys.modules and hasattr(kind, "is_cuda"):
        if value.is_cuda is True:
            raise StaysHere("it is in the memory of a GPU")
    elif hasattr(kind, "__cuda_array_interface__") and not hasattr(kind, "is_cuda"):
        raise StaysHere("it is in the memory of a GPU")


def _refuse_at_a_glance(value: Any, stop_bytes: int) -> None:
    """What says its own size need not be pickled to see it: some types copy everything before the first write."""
    refuse_gpu_memory(value)
    kind = type(value)
    size = getattr(value, "nbytes", None) if hasattr(kind, "nbytes") else None
    if isinstance(value, str | bytes | bytearray):
        size = len(value)
    if isinstance(size, int) and size > stop_bytes:
        raise TooLarge(f"its pickle is larger than {stop_bytes:,} bytes")


def _one_line(err: BaseException) -> str:
    text = str(err).strip().partition("\n")[0][:200]
    return text or type(err).__name__
