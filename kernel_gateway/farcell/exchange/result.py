"""What a far cell displayed as its result, for `_` and `Out[n]` here."""

import io
import pickle
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from farcell.analysis.needs import is_a
from farcell.exchange.homeward import Arrival, joined
from farcell.exchange.sessions import FarSession
from farcell.handles import Handle
from farcell_protocol.frames import ValueBack, ValueInfo
from farcell_protocol.messages.cells import RESULT

NOTHING = object()
"""The cell displayed no result."""

_NUMBERED = re.compile(r"_\d+")
_QUICK = {"numpy", "pandas"}
_NEVER = {"matplotlib"}  # a figure that is loaded is a figure of pyplot again, and would be shown here too


def is_result(piece: ValueBack) -> bool:
    """Whether it belongs to the result, and not to a name of the user's."""
    return piece.name == RESULT


def results_read(reads: Iterable[str], namespace: Mapping[str, Any], session: FarSession | None) -> dict[str, bool]:
    """`_` and `_7` among the names that a cell reads, and whether a session has each as it is here: it lacks results of
    cells that ran here or elsewhere. Whoever shares a named session has a `_` of their own."""
    found = {}
    for name in sorted(reads):
        if name == RESULT and not _is_unset(namespace.get(name, "")):
            ours = session is not None and not session.key[1] and session.results.last is namespace[name]
        elif _NUMBERED.fullmatch(name) and name in namespace:
            ours = session is not None and int(name[1:]) in session.results.numbers
        else:
            continue
        found[name] = ours
    return found


def _is_unset(value: object) -> bool:
    return is_a(value, str) and not value  # what IPython binds `_` to before there is a result


def result_of(pieces: Iterable[ValueBack], session: FarSession, number: int, fetch: Callable[[Handle], Any]) -> object:
    """The value, or a handle for it by the name it has there (`_7`); `NOTHING` if there is none.

    Most results are looked at once and never used again, so nothing heavy is imported for one.
    """
    arrival = next((one for one in joined(pieces) if one.name == RESULT), None)
    if arrival is None:
        return NOTHING
    info, why = arrival.info or ValueInfo("?", ""), arrival.why
    if arrival.status == "value":
        try:
            return _Careful(io.BytesIO(arrival.data)).load()
        except Exception as err:  # whatever the value's own unpickling raises
            info, why = _info_of(arrival), f"it was not loaded here: {err}"
    return Handle(session, f"_{number}", info, number, why, fetch)


def _info_of(arrival: Arrival) -> ValueInfo:
    return arrival.info or ValueInfo("?", "", size_bytes=len(arrival.data))


class _Careful(pickle.Unpickler):
    """Loads what needs no module that is slow to import or shows itself when it is loaded."""

    def find_class(self, module: str, name: str, /) -> Any:
        top = module.partition(".")[0]
        if top in _NEVER or not (module in sys.modules or top in sys.stdlib_module_names or top in _QUICK):
            raise pickle.UnpicklingError(f"{top} would have to be imported")
        return super().find_class(module, name)
