"""Values into a cell's namespace before it runs, and what it bound or changed out of it afterwards.

Whether a value changed is decided by the digest of its whole pickle, never by its identity or age. The pickle
of a value that was just unpickled is not always the one it came from, so both digests are remembered.
"""

import pickle
import re
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from farcell_protocol.errors import BadRequest, NotFound, PythonMismatch
from farcell_protocol.frames import VALUE_CHUNK_BYTES, ValueBack
from farcell_protocol.messages.cells import RESULT, Cell, Value
from farcell_worker.describe import describe
from farcell_worker.pickling import Pickled, StaysHere, TooLarge, pickled

_NOTHING = object()

_READ_ONLY = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType)
_OF_IPYTHON = frozenset({"In", "Out", "_ih", "_oh", "_dh", "get_ipython", "exit", "quit", "open"})


@dataclass(frozen=True)
class _Held:
    """A value the client holds: the digest it knows, the digest of our own pickle of it, and that one's size."""

    theirs: str
    ours: str
    size_bytes: int


@dataclass(frozen=True)
class Before:
    """What `returns` named before the cell ran: the objects, and the digests the client holds."""

    objects: dict[str, Any] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)


class Exchange:
    """The values of one session; `namespace` is the user's."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._names = namespace
        self._held: dict[str, _Held] = {}

    def admit(self, cell: Cell) -> Before:
        """Bind the values that came with a cell: all of them, or none.

        Raises:
            PythonMismatch: the pickles are of another Python minor version; nothing has been loaded.
            BadRequest: one cannot be loaded here; it is named.
        """
        if cell.values:
            check_python(cell.python)
        self._bind(cell.values)
        wanted = set(cell.returns)
        for value in cell.values:
            if value.name == RESULT:
                self._agree_on_result()
            elif value.name in wanted:
                self._remember(value.name, value.digest, len(value.data))
        if RESULT in wanted:
            self._results().pop(cell.execution_count, None)  # of an earlier kernel, which counted to this as well
        held = {**cell.known, **{value.name: value.digest for value in cell.values}}
        return Before({name: self._names.get(name, _NOTHING) for name in cell.returns}, held)

    def _bind(self, values: Sequence[Value]) -> None:
        """One by one, since a pickle may name what an earlier one is bound to; all undone if one fails."""
        undo = {value.name: self._names.get(value.name, _NOTHING) for value in values}
        try:
            for value in values:
                self._names[value.name] = _load(value)
        except BaseException:
            for name, was in undo.items():
                if was is _NOTHING:
                    self._names.pop(name, None)
                else:
                    self._names[name] = was
            raise

    def results(self, cell: Cell, before: Before, *, finished: bool = True) -> Iterator[ValueBack]:
        """What comes home: for each name of `returns` that is new, changed or deleted. Made one by one, so that
        what a value costs is paid when it is sent.

        Whoever shares the session has bound names too. One that the client neither holds nor asks for, and that is
        bound to the very object it was bound to before, is not this cell's and stays. `finished` says that the cell
        ran to its end: what the client asks for was then bound for certain."""
        for name in dict.fromkeys(cell.returns):
            if name == RESULT:
                yield from self._result(cell)
                continue
            was, now = before.objects.get(name, _NOTHING), self._names.get(name, _NOTHING)
            if now is _NOTHING:
                if was is not _NOTHING:
                    self._held.pop(name, None)
                    yield ValueBack(name, "deleted")
                continue
            asked = finished and before.held.get(name) == ""
            if now is was and not asked and not _may_differ(name, now, before.held):
                continue
            if issubclass(type(now), types.ModuleType):  # `isinstance` would ask the value, and a dead proxy raises
                yield from _module(name, now)
            else:
                yield from self._back(name, now, before.held.get(name, ""), cell.inline_limit_bytes)

    def _agree_on_result(self) -> None:
        """IPython sets `_` no more once it differs from what it set last, as if the user had taken the name."""
        shell = self._names.get("get_ipython", lambda: None)()
        if shell is not None:
            shell.displayhook._ = self._names[RESULT]
            shell.push({RESULT: self._names[RESULT]}, interactive=False)

    def _results(self) -> dict[int, Any]:
        """IPython's `Out`."""
        found = self._names.get("_oh")
        return found if isinstance(found, dict) else {}

    def _result(self, cell: Cell) -> Iterator[ValueBack]:
        value = self._results().get(cell.execution_count, _NOTHING)
        if value is not _NOTHING:
            yield from self._back(RESULT, value, "", cell.inline_limit_bytes)

    def fetch(self, names: Sequence[str]) -> Iterator[ValueBack]:
        """These values whole, whatever their size.

        Raises:
            NotFound: one of the names is not bound here; nothing is yielded then.
        """
        for name in names:
            if name not in self._names:
                raise NotFound(f"name {name!r} is not defined in this session", name=name)
        return self._fetched(names)

    def _fetched(self, names: Sequence[str]) -> Iterator[ValueBack]:
        for name in names:
            value = self._names[name]
            try:
                result = pickled(value, sys.maxsize)
            except StaysHere as why:
                yield ValueBack(name, "handle", info=describe(value), why=str(why))
            else:
                yield from self._pieces(name, result)

    def _back(self, name: str, value: Any, theirs: str, limit: int) -> Iterator[ValueBack]:
        held = self._held.get(name)
        if held is not None and held.theirs != theirs:
            held = None
        # One that the client holds must be hashed whole to see that it is unchanged, however large it is.
        stop = max(limit, held.size_bytes if held else 0)
        try:
            result = pickled(value, limit, stop)
            if result.digest == theirs or (held is not None and result.digest == held.ours):
                return
            if result.data is None:
                raise TooLarge(f"its pickle is larger than {limit:,} bytes")
        except StaysHere as why:
            self._held.pop(name, None)
            yield ValueBack(name, "handle", info=describe(value), why=str(why))
        else:
            yield from self._pieces(name, result)

    def _pieces(self, name: str, result: Pickled) -> Iterator[ValueBack]:
        self._held[name] = _Held(result.digest, result.digest, result.size_bytes)
        data = result.data or b""
        for start in range(0, max(len(data), 1), VALUE_CHUNK_BYTES):
            end = start + VALUE_CHUNK_BYTES
            yield ValueBack(name, "value", data[start:end], end < len(data), result.digest)

    def _remember(self, name: str, digest: str, size_bytes: int) -> None:
        """Note what our own pickle of a value just loaded looks like."""
        try:
            ours = pickled(self._names[name], 0, 2 * size_bytes + 4096)
        except StaysHere:
            self._held[name] = _Held(digest, "", size_bytes)
        else:
            self._held[name] = _Held(digest, ours.digest, max(size_bytes, ours.size_bytes))


def check_python(theirs: str) -> None:
    """Refuse values pickled under another minor version of Python, naming both.

    Raises:
        PythonMismatch: they differ.
    """
    ours = ".".join(map(str, sys.version_info[:3]))
    if theirs.split(".")[:2] != ours.split(".")[:2]:
        raise PythonMismatch(
            f"the values were pickled by Python {theirs} and the worker runs Python {ours}; "
            "pickles cannot cross minor versions: use the same one on both sides",
            local=theirs,
            far=ours,
        )


def _load(value: Value) -> Any:
    try:
        return pickle.loads(value.data)
    except (Exception, SystemExit) as err:
        why = f"{type(err).__name__}: {err}"[:300]
        raise BadRequest(f"the value {value.name!r} cannot be loaded in the worker: {why}", name=value.name) from err


def _may_differ(name: str, value: Any, held: Mapping[str, str]) -> bool:
    """Whether a name that is bound to the same object as before the cell may be news to the client: what it holds may
    have changed in place, but not a module, a function or a class. What it does not hold is news only if the cell
    bound it, which for some objects cannot be seen."""
    if issubclass(type(value), _READ_ONLY) or name in _OF_IPYTHON:
        return False
    return bool(held.get(name)) or _is_one_for_all(value)


def _is_one_for_all(value: Any) -> bool:
    """Whether Python keeps one object for all values that equal it, so that being the same says nothing."""
    kind = type(value)  # the value itself is not asked, as `match` would: it may raise at every look
    if issubclass(kind, bool | types.NoneType):
        return True
    if issubclass(kind, int):
        return bool(-5 <= value <= 256)
    if issubclass(kind, str):
        return len(value) < 2 or re.fullmatch(r"\w+", value, re.ASCII) is not None
    if issubclass(kind, bytes):
        return len(value) < 2
    return issubclass(kind, tuple) and not value


def _module(name: str, module: types.ModuleType) -> Iterator[ValueBack]:
    """A module comes home as its name, for the client to import; one that nothing could import does not."""
    if sys.modules.get(module.__name__) is module:
        yield ValueBack(name, "module", module.__name__.encode())
