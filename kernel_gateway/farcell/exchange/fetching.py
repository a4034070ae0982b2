"""Bringing a handle's value here, by a run that executes nothing."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from farcell.exchange.homeward import joined
from farcell.exchange.sessions import FarSession
from farcell.exchange.standing import ended_error, home_of, still_there
from farcell.failures import raise_outcome
from farcell.handles import Handle
from farcell.options import CellOptions
from farcell.packing.request import fetch_of, request_of
from farcell.seen import Seen
from farcell.watch import Watch
from farcell_protocol.errors import SessionEnded, ValueNotPicklable
from farcell_protocol.gpus import parse_gpus
from farcell_protocol.messages.api import RunRequest
from farcell_protocol.values import unpack_value

if TYPE_CHECKING:
    from farcell.client import Client
    from farcell.notebook import Notebook


def fetcher(notebook: "Notebook") -> Callable[[Handle], Any]:
    """What a handle's `to_local()` does in this notebook."""
    return partial(_fetch, notebook)


def _fetch(notebook: "Notebook", handle: Handle) -> Any:
    home = home_of(handle)
    client = notebook.client()
    if not still_there(client, home):
        raise ended_error(handle.name, handle)
    try:
        seen = _watched(notebook, client, _request(notebook, handle), home)
        raise_outcome(seen)
    except SessionEnded:  # since it was asked for, or while this waited in its queue
        still_there(client, home)
        raise ended_error(handle.name, handle) from None
    for arrival in joined(seen.values):
        if arrival.name == handle.name and arrival.status == "value":
            return unpack_value(arrival.data)
    raise ValueNotPicklable(_why_not(handle), name=handle.name, path=handle.name)


def _request(notebook: "Notebook", handle: Handle) -> RunRequest:
    home = home_of(handle)
    gpu, session = home.key
    options = CellOptions(parse_gpus(gpu), session)
    title = f"{handle.name}.to_local()"
    request = request_of(home.notebook or notebook.name, options, fetch_of(handle.name), title)
    return msgspec.structs.replace(request, expects=home.id)


def _watched(notebook: "Notebook", client: "Client", request: RunRequest, home: FarSession) -> Seen:
    return Watch(
        client.submit(request),
        client,
        notebook.new_screen(),
        lambda view: notebook.sessions.saw_elsewhere(view, home.key, home.notebook),
        comms=notebook.comms_of_run(client),
    ).to_the_end()


def _why_not(handle: Handle) -> str:
    because = f": {handle.why}" if handle.why else ""
    return f"{handle.name} cannot leave session {handle.session}{because}. Work with it in %%gpu cells."
