"""Bringing a handle's value here, by a run that executes nothing."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from farcell.exchange.homeward import joined
from farcell.exchange.standing import ended_error, home_of, still_there
from farcell.failures import raise_outcome
from farcell.handles import Handle
from farcell.options import CellOptions
from farcell.packing.request import fetch_of, request_of
from farcell.watch import Watch
from farcell_protocol.errors import SessionEnded, ValueNotPicklable
from farcell_protocol.gpus import parse_gpus
from farcell_protocol.values import unpack_value

if TYPE_CHECKING:
    from farcell.notebook import Notebook


def fetcher(notebook: "Notebook") -> Callable[[Handle], Any]:
    """What a handle's `to_local()` does in this notebook."""

    def fetch(handle: Handle) -> Any:
        home = home_of(handle)
        client = notebook.client()
        if not still_there(client, home):
            raise ended_error(handle.name, handle)
        gpu, session = home.key
        options = CellOptions(parse_gpus(gpu), session)
        fetching = fetch_of(handle.name)
        request = request_of(home.notebook or notebook.name, options, fetching, f"{handle.name}.to_local()")
        request = msgspec.structs.replace(request, expects=home.id)
        screen, sessions = notebook.new_screen(), notebook.sessions
        try:
            seen = Watch(
                client.submit(request),
                client,
                screen,
                lambda view: sessions.saw_elsewhere(view, home.key, home.notebook),
                comms=notebook.comms_of_run(client),
            ).to_the_end()
            raise_outcome(seen)
        except SessionEnded:  # since it was asked for, or while this waited in its queue
            still_there(client, home)
            raise ended_error(handle.name, handle) from None
        for arrival in joined(seen.values):
            if arrival.name == handle.name and arrival.status == "value":
                return unpack_value(arrival.data)
        raise ValueNotPicklable(_why_not(handle), name=handle.name, path=handle.name)

    return fetch


def _why_not(handle: Handle) -> str:
    because = f": {handle.why}" if handle.why else ""
    return f"{handle.name} cannot leave session {handle.session}{because}. Work with it in %%gpu cells."
