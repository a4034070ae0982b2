"""A name here for a value that stayed there."""

import html
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from farcell_protocol.frames import ValueInfo

if TYPE_CHECKING:
    from farcell.exchange.sessions import FarSession


class Handle:
    """Stands for a value that is in a far session; free to use in that session's next `%%gpu` cell.

    `info` has its type, shape, dtype, size and a short repr; `expires` says when the session, and the value with
    it, is released unless it is used; `to_local()` brings the value here.
    """

    __slots__ = ("_fetch", "_home", "cell", "info", "name", "why")

    def __init__(
        self,
        home: "FarSession",
        name: str,
        info: ValueInfo,
        cell: int,
        why: str = "",
        fetch: "Callable[[Handle], Any] | None" = None,
    ) -> None:
        put = object.__setattr__
        for slot, value in zip(
            ("_home", "name", "info", "cell", "why", "_fetch"), (home, name, info, cell, why, fetch), strict=True
        ):
            put(self, slot, value)

    if TYPE_CHECKING:
        name: str
        info: ValueInfo
        cell: int
        why: str
        _home: FarSession
        _fetch: Callable[["Handle"], Any] | None

    @property
    def session(self) -> str:
        """The id of the session the value lives in."""
        return self._home.id

    @property
    def expires(self) -> float | None:
        """When the session is released unless it is used (epoch seconds); None while it runs or when it has ended."""
        return self._home.expires

    def to_local(self) -> Any:
        """Bring the value here, whatever its size.

        Raises:
            SessionEnded: the value is gone with its session.
            ValueNotPicklable: it cannot leave.
        """
        if self._fetch is None:
            raise TypeError(f"{self.name} was made without a way to fetch it")
        return self._fetch(self)

    def __repr__(self) -> str:
        return f"<far {self.name}: {', '.join(text for _, text in self._facts())}>"

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><th style='text-align:left'>{html.escape(label)}</th>"
            f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
            for label, text in self._facts()
        )
        name = html.escape(self.name)
        return f"<table><caption style='text-align:left'><code>{name}</code> lives far away</caption>{cells}</table>"

    def _facts(self) -> list[tuple[str, str]]:
        info = self.info
        facts = [
            ("type", info.type),
            ("shape", "x".join(map(str, info.shape)) if info.shape is not None else ""),
            ("dtype", info.dtype or ""),
            ("size", size_text(info.size_bytes) if info.size_bytes is not None else ""),
            ("device", info.device or ""),
            ("value", info.repr),
            ("where", f"session {self.session}" + (f" on {self._home.where}" if self._home.where else "")),
            ("until", self._until()),
            ("because", self.why),
        ]
        return [(label, text) for label, text in facts if text]

    def _until(self) -> str:
        home = self._home
        if home.ended is not None:
            return f"ended {clock_text(home.ended)}; re-run cell [{self.cell}]"
        return f"released {clock_text(home.expires)} unless used" if home.expires is not None else ""

    def _explain(self) -> str:
        return (
            f"{self.name} is a handle: its value ({self.info.type}) lives in session {self.session}; "
            f"use it in a %%gpu cell or bring it here with {self.name}.to_local()"
        )

    def __getattr__(self, attribute: str) -> NoReturn:
        if attribute.startswith("_"):  # probes of pickle, copy and IPython's display, not a person
            raise AttributeError(attribute)
        raise AttributeError(f"no attribute {attribute!r}: {self._explain()}", name=attribute, obj=self)

    def __setattr__(self, attribute: str, value: Any) -> NoReturn:
        raise AttributeError(f"cannot set {attribute!r}: {self._explain()}", name=attribute, obj=self)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(self._explain())


def size_text(size_bytes: int) -> str:
    """A size for people: "12.0 MiB"."""
    size = float(size_bytes)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} TiB"


def clock_text(at: float) -> str:
    """A time of day for people: "14:02:31"."""
    return "at " + time.strftime("%H:%M:%S", time.localtime(at))


_BINARY = "add sub mul truediv floordiv mod divmod pow matmul and or xor lshift rshift"
_UNARY = "neg pos abs invert len iter next call getitem setitem delitem contains bool int float complex index"
_ORDERED = "lt le gt ge enter aenter aiter await round"


def _refusal(operation: str) -> Callable[..., NoReturn]:
    def refuse(self: Handle, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(self._explain())

    refuse.__name__ = operation
    return refuse


def _refused() -> list[str]:
    both = [
        f"{prefix}{name}" for name in _BINARY.split() for prefix in ("", "r", "i") if (prefix, name) != ("i", "divmod")
    ]
    return [f"__{name}__" for name in [*both, *_UNARY.split(), *_ORDERED.split()]]


# Python looks special methods up on the class, never through `__getattr__`.
for _operation in _refused():
    setattr(Handle, _operation, _refusal(_operation))
