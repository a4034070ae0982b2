"""The values a cell reads, packed: what differs from the last exchange travels, the rest is there already."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from farcell.analysis.needs import CellNeeds, is_a, may_change, travels
from farcell.analysis.reach import globals_touched
from farcell.handles import Handle
from farcell.packing import obstacle
from farcell.packing.ledger import Ledger
from farcell.packing.modules import importable
from farcell_protocol.errors import FarcellError, ValuesTooLarge
from farcell_protocol.messages.cells import Value
from farcell_protocol.values import Packed, pack_value

INLINE_LIMIT_BYTES = 32 * 2**20
"""How many bytes of values one cell may send."""


@dataclass
class Parcel:
    """What goes with a cell.

    `values` travel; `stand` are there already, unchanged since; `handles` name values that live
    there. `here` are the digests of all of `values` and `stand`, `returns` the names that may come
    back: those of the cell and of the functions it reaches. `certain` are those of them that the cell binds.
    """

    values: list[Value] = field(default_factory=list)
    stand: set[str] = field(default_factory=set)
    handles: dict[str, Handle] = field(default_factory=dict)
    here: dict[str, str] = field(default_factory=dict)
    returns: set[str] = field(default_factory=set)
    certain: frozenset[str] = frozenset()
    sizes: dict[str, int] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    """Where the functions among `values` were defined."""

    @property
    def relies_on_session(self) -> bool:
        """Whether the cell would miss something in a session other than the one we think of."""
        return bool(self.stand or self.handles)


_NO_RESULTS: Mapping[str, bool] = {}


def pack(
    needs: CellNeeds, namespace: Mapping[str, Any], ledger: Ledger, results: Mapping[str, bool] = _NO_RESULTS
) -> Parcel:
    """Pack what the cell reads and what the functions among it read in turn; `results` are names of IPython's for
    results (`_`) that it reads besides, and whether each is there.

    Raises:
        ValueNotPicklable: named by the path to the part.
        ValuesTooLarge: over `INLINE_LIMIT_BYTES`; the three largest are named.
    """
    parcel = Parcel(returns=set(needs.returns), certain=needs.names.certain & needs.returns)
    # A name that the cell only writes is packed too if it was exchanged before: should the write not happen (an
    # exception, a branch), the older value there must not come back over a newer one here.
    rewritten = {name for name in needs.returns if ledger.holds(name) and travels(name, namespace)}
    queue = [*needs.reads, *sorted(rewritten.difference(needs.reads))]
    for name in queue:  # grows while it is walked
        packed = _pack_one(parcel, name, namespace, ledger, needs)
        for function in packed.functions if packed else ():
            touched = globals_touched(function.__code__)
            found = {n for n in touched.reads | touched.writes if travels(n, namespace)}
            queue += sorted(found.difference(queue))
            parcel.returns |= touched.writes | {n for n in found if may_change(namespace[n])}
    for name, is_there in results.items():
        if is_there:
            parcel.stand.add(name)
        else:
            _pack_result(parcel, name, namespace)
    _check_size(parcel)
    return parcel


def _pack_result(parcel: Parcel, name: str, namespace: Mapping[str, Any]) -> None:
    """Unlike a variable it is never taken to be there from last time: both sides bind it to other things at will."""
    value = namespace[name]
    if is_a(value, Handle):
        parcel.handles[name] = value
        return
    packed = _packed(name, value, namespace, max(0, INLINE_LIMIT_BYTES - sum(parcel.sizes.values())))
    parcel.sizes[name] = packed.size_bytes
    if packed.data is not None:
        parcel.values.append(Value(name, packed.data, packed.digest))


def _pack_one(
    parcel: Parcel, name: str, namespace: Mapping[str, Any], ledger: Ledger, needs: CellNeeds
) -> Packed | None:
    value = namespace[name]
    if is_a(value, Handle):
        parcel.handles[name] = value
        return None
    if is_a(value, ModuleType):
        value = importable(name, value, needs.names.dotted)
    room_bytes = max(0, INLINE_LIMIT_BYTES - sum(parcel.sizes.values()))
    if name in needs.names.writes and name not in needs.names.reads:
        packed = _packed_or_mark(value, namespace, room_bytes)
    else:
        packed = _packed(name, value, namespace, room_bytes)
    parcel.here[name] = packed.digest
    if ledger.stands(name, packed.digest):
        parcel.stand.add(name)
        return packed
    parcel.sizes[name] = packed.size_bytes
    if packed.data is not None:
        parcel.values.append(Value(name, packed.data, packed.digest))
        parcel.files.update(function.__code__.co_filename for function in packed.functions)
    return packed


def _packed(name: str, value: Any, namespace: Mapping[str, Any], room_bytes: int) -> Packed:
    try:
        return pack_value(value, namespace, room_bytes)
    except FarcellError:
        raise
    except Exception as err:
        raise obstacle.explain(name, value, namespace, err) from err


def _packed_or_mark(value: Any, namespace: Mapping[str, Any], room_bytes: int) -> Packed:
    """For a name that the cell does not read: what cannot travel is no error. A mark that equals nothing else takes
    the older value's place there, so that whatever the cell binds counts as changed, and nothing else does."""
    try:
        packed = pack_value(value, namespace, room_bytes)
    except Exception:
        packed = None
    if packed is not None and packed.data is not None:
        return packed
    return pack_value(f"not sent: {secrets.token_hex(8)}", namespace, INLINE_LIMIT_BYTES)


def _check_size(parcel: Parcel) -> None:
    total = sum(parcel.sizes.values())
    if total <= INLINE_LIMIT_BYTES:
        return
    largest = sorted(parcel.sizes.items(), key=lambda item: -item[1])[:3]
    named = ", ".join(f"{name} ({size / 2**20:,.1f} MiB)" for name, size in largest)
    raise ValuesTooLarge(
        f"the cell reads {total / 2**20:,.1f} MiB of values that are not there yet; the limit is "
        f"{INLINE_LIMIT_BYTES // 2**20} MiB. The largest: {named}. Make them inside a %%gpu cell instead.",
        total_bytes=total,
        limit_bytes=INLINE_LIMIT_BYTES,
        largest=dict(largest),
    )


def digest_here(value: Any, namespace: Mapping[str, Any]) -> str:
    """The digest of a value as it would be packed now; empty if it cannot be."""
    try:
        return pack_value(value, namespace, 0).digest
    except Exception:
        return ""
