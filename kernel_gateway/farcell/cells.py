"""One cell's whole journey: needs, values out, the run, output, values home, the error raised."""

from typing import TYPE_CHECKING

from farcell import follow
from farcell.analysis.names import names_in
from farcell.analysis.needs import CellNeeds, needs_of
from farcell.exchange.fetching import fetcher
from farcell.exchange.homeward import Departure, Homecoming
from farcell.exchange.result import NOTHING, is_result, result_of
from farcell.exchange.sessions import FarSession, ledger_of
from farcell.exchange.standing import check_handles, still_there
from farcell.failures import raise_outcome
from farcell.notebook import Notebook
from farcell.options import CellOptions
from farcell.packing.request import CellText, cell_of, request_of
from farcell.packing.values import Parcel, pack
from farcell.presses import Presses
from farcell.status import STARTING_EXECUTOR, Line
from farcell.watch import Following, OutputScreen, Seen, Watch
from farcell_protocol.errors import ErrorInfo, FarcellError
from farcell_protocol.frames import Message
from farcell_protocol.ids import RunId

if TYPE_CHECKING:
    from farcell.client import Client


def run_cell(notebook: Notebook, screen: OutputScreen, options: CellOptions, text: CellText) -> RunId:
    """Run one cell far away and make it look as if it had run here.

    Returns at the end of the run, or at once with `--detach`.

    Raises:
        FarError: the cell's own exception.
        FarInterrupt: the stop button.
        FarcellError: it could not be run, or ended without a word of its own.
    """
    notebook.heed_target()
    needs = needs_of(names_in(text.python), notebook.namespace)
    key = str(options.gpu), options.session
    session = None if options.once else notebook.sessions.expected(key)
    parcel = _pack(notebook, needs, session)  # before anything is started: what cannot travel is said at once
    client = connected(notebook, screen)
    if parcel.relies_on_session and not still_there(client, session):
        session, parcel = None, _pack(notebook, needs, None)
    check_handles(client, parcel.handles, session)
    left = _departure(notebook, needs, parcel, text.count)
    cell = cell_of(text, parcel, ledger_of(session), options, notebook.number_of)
    request = request_of(notebook.name, options, cell, text.title, text.cell_id)
    notebook.left[request.run] = left  # until it has been seen to its end
    if options.detach:
        _leave(client.submit(request), screen)
        return request.run
    with Presses() as presses:  # from before the request leaves: a press that raised here would leave the run behind
        seen = Watch(
            client.submit(request),
            client,
            screen,
            lambda view: notebook.sessions.saw(view, key, once=options.once),
            comms=notebook.comms_of_run(client),
        ).to_the_end()
    seen.presses = max(seen.presses, presses.count)
    settle(notebook, screen, seen, waited=True)
    raise_outcome(seen)
    return request.run


def connected(notebook: Notebook, screen: OutputScreen) -> "Client":
    """A client, with a word at once if an executor must be started for it."""
    began: list[Line] = []

    def say(text: str = STARTING_EXECUTOR) -> None:
        began.append(Line(text))
        screen.draw_line(began[-1])

    try:
        return notebook.client(on_start=say)
    except FarcellError as err:
        if began:
            screen.draw_line(Line(f"the executor did not start: {err.code}", "bad"))
        raise


def settle(notebook: Notebook, screen: OutputScreen, seen: Seen, *, waited: bool) -> None:
    """Bind what a run sent home, and note what became of its session."""
    left = notebook.left.pop(seen.run, Departure())
    notebook.seen.add(seen.run)
    view = seen.view
    session = notebook.sessions.get(view.session) if view is not None else None
    if session is None or view is None:
        return
    # After a lost or stopped run, or one interrupted while its values were coming, nobody knows what is there.
    certain = waited and view.outcome in ("ok", "error") and not seen.presses
    home = Homecoming(notebook.namespace, session, left, certain, fetcher(notebook))
    for note in home.bind(piece for piece in seen.values if not is_result(piece)):
        screen.show(Message("stream", {"name": "stderr", "text": f"{note}\n"}))
    number = (seen.end.execution_count if seen.end else None) or left.cell
    result = result_of(filter(is_result, seen.values), session, number, fetcher(notebook))
    if result is not NOTHING:
        notebook.keep_result(result)
    if view.outcome == "lost" and view.worker is not None:
        session.end(view.reason)
    elif session.once:
        session.end(ErrorInfo("session-ended", "--once released it at the end of its cell"))


def _leave(follower: Following, screen: OutputScreen) -> None:
    """Go away from a run once the executor has it, or has refused it."""
    while not isinstance(follower.next(None), follow.Changed):
        continue  # the link is down: the request is on its way until it has been heard
    follower.close()
    screen.draw_line(Line(f"left running: run {follower.run} · %gpu attach {follower.run} shows it", "quiet"))


def _pack(notebook: Notebook, needs: CellNeeds, session: FarSession | None) -> Parcel:
    return pack(needs, notebook.namespace, ledger_of(session))


def _departure(notebook: Notebook, needs: CellNeeds, parcel: Parcel, count: int) -> Departure:
    concerned = parcel.returns | set(parcel.here)
    return Departure(
        bound={name: notebook.namespace[name] for name in concerned if name in notebook.namespace},
        here=parcel.here,
        sent=frozenset(value.name for value in parcel.values),
        deletes=needs.names.deletes,
        imports=needs.names.imports,
        cell=count,
    )
