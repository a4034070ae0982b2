"""Whether what a cell relies on is still there, asked before anything is sent."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from farcell.exchange.sessions import FarSession
from farcell.handles import Handle, clock_text
from farcell_protocol.errors import NotFound, SessionDiffers, SessionEnded

if TYPE_CHECKING:
    from farcell.client import Client


def still_there(client: "Client", session: FarSession | None) -> bool:
    """Ask the executor, and note the answer."""
    if session is None or not session.alive:
        return False
    try:
        view = client.session(session.id)
    except NotFound:
        session.end(NotFound("the executor no longer knows it").info())
        return False
    if view.state == "ended":
        session.end(view.reason)
    else:
        session.expires = view.expires
    return session.alive


def check_handles(client: "Client", handles: Mapping[str, Handle], session: FarSession | None) -> None:
    """Every handle a cell reads must live in the session the cell will run in.

    Raises:
        SessionEnded: the session is gone; when, why, and which cell to run again.
        SessionDiffers: the value lives in another session.
    """
    for name, handle in handles.items():
        home = home_of(handle)
        if home is session and home.alive:
            continue
        if not still_there(client, home):
            raise ended_error(name, handle)
        raise SessionDiffers(
            f"{name} lives in session {home.id} ({_how(home)}), and this cell runs in another one: "
            f"run it there, or bring the value here first with {name} = {name}.to_local()",
            name=name,
            session=home.id,
        )


def ended_error(name: str, handle: Handle) -> SessionEnded:
    """Why a handle leads nowhere any more."""
    home = home_of(handle)
    when = f" {clock_text(home.ended)}" if home.ended is not None else ""
    why = f" ({home.reason.message})" if home.reason is not None else ""
    return SessionEnded(
        f"{name} is gone: its session {home.id} ended{when}{why}. Re-run cell [{handle.cell}], which made it.",
        name=name,
        session=home.id,
        cell=handle.cell,
    )


def home_of(handle: Handle) -> FarSession:
    """The session a handle's value lives in."""
    return handle._home


def _how(home: FarSession) -> str:
    gpu, name = home.key
    if home.notebook:
        return f"%%gpu {gpu} in {home.notebook}"
    return f"%%gpu {gpu}" + (f" --session {name}" if name else "")
