"""One cell's whole journey: needs, values out, the run, output, values home, the error raised."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from farcell import follow
from farcell.analysis.names import names_in
from farcell.analysis.needs import CellNeeds, needs_of
from farcell.exchange.fetching import fetcher
from farcell.exchange.homeward import Departure, Homecoming
from farcell.exchange.result import NOTHING, is_result, result_of, results_read
from farcell.exchange.sessions import FarSession, ledger_of
from farcell.exchange.standing import check_handles, still_there
from farcell.failures import raise_if_never_queued, raise_outcome
from farcell.notebook import Notebook
from farcell.options import CellOptions
from farcell.packing.request import CellText, cell_of, request_of
from farcell.packing.values import Parcel, pack
from farcell.parties import Following, OutputScreen
from farcell.presses import Presses
from farcell.seen import Seen
from farcell.status import STARTING_EXECUTOR, Line, Mark
from farcell.watch import Watch
from farcell_protocol.errors import FarcellError, RunFailure, SessionEnded
from farcell_protocol.frames import Message
from farcell_protocol.ids import RunId
from farcell_protocol.messages.api import RunRequest, RunView

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
    check_handles(client, parcel.handles, session)
    trip = _Trip(notebook, screen, client, options, text, needs)
    with Presses() as presses:  # from before the request leaves: a press that raised here would leave the run behind
        try:
            run, seen = trip.make(parcel, session)
        except SessionEnded:  # what it held already must travel after all
            still_there(client, session)  # learns why it has ended
            parcel = _pack(notebook, needs, None)
            check_handles(client, parcel.handles, None)
            run, seen = trip.make(parcel, None)
    if seen is not None:
        seen.presses = max(seen.presses, presses.count)
        settle(notebook, screen, seen, waited=True)
        raise_outcome(seen)
    return run


@dataclass(frozen=True)
class _Trip:
    """One cell on its way; it may have to be made twice, with more values the second time."""

    notebook: Notebook
    screen: OutputScreen
    client: "Client"
    options: CellOptions
    text: CellText
    needs: CellNeeds

    def make(self, parcel: Parcel, session: FarSession | None) -> tuple[RunId, Seen | None]:
        """Send the cell and see it to its end; with `--detach`, until the executor has it.

        Raises:
            SessionEnded: refused, because the session that has what the parcel leaves out is gone. Nothing ran.
        """
        notebook, options = self.notebook, self.options
        cell = cell_of(self.text, parcel, ledger_of(session), options, notebook.number_of)
        request = request_of(notebook.name, options, cell, self.text.title, self.text.cell_id)
        if session is not None and parcel.relies_on_session:
            request = msgspec.structs.replace(request, expects=session.id)
        notebook.left[request.run] = _departure(notebook, self.needs, parcel, self.text.count)  # until it is seen
        try:
            if options.detach:
                raise_if_never_queued(_leave(self.client.submit(request), self.screen))
                return request.run, None
            seen = self._watch(request)
            raise_if_never_queued(seen.view)
        except SessionEnded:
            del notebook.left[request.run]
            raise
        return request.run, seen

    def _watch(self, request: RunRequest) -> Seen:
        notebook, options = self.notebook, self.options
        key = str(options.gpu), options.session
        return Watch(
            self.client.submit(request),
            self.client,
            self.screen,
            lambda view: notebook.sessions.saw(view, key, once=options.once),
            comms=notebook.comms_of_run(self.client),
            leaves=notebook.leaves,
        ).to_the_end()


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
        session.results.note(result, number if waited else None)
    if view.outcome == "lost" and view.worker is not None and not _survived(notebook, session, view):
        session.end(view.reason)
    elif session.once:
        session.end(SessionEnded("--once released it at the end of its cell").info())


def _survived(notebook: Notebook, session: FarSession, view: RunView) -> bool:
    """Whether the session is there although a run in it was lost: by a fault of ours, the worker goes on after it."""
    if view.reason is None or view.reason.code != RunFailure.code or notebook.connected is None:
        return False
    try:
        return still_there(notebook.connected, session)
    except FarcellError:
        return False


def _leave(follower: Following, screen: OutputScreen) -> RunView:
    """Go away from a run once the executor has it, or has refused it."""
    while not (isinstance(said := follower.next(None), follow.Changed) and _is_settled(said.view)):
        continue  # the link is down: the request is on its way until it has been heard
    follower.close()
    text = f"left running: run {follower.run} · %gpu attach {follower.run} shows it"
    screen.draw_line(Line(text, "quiet", Mark(follower.run, "left")))
    return said.view


def _is_settled(view: RunView) -> bool:
    """Whether it is in a queue or beyond, or has ended: with a reason and not ended, it is just being refused."""
    return view.state == "ended" or view.reason is None


def _pack(notebook: Notebook, needs: CellNeeds, session: FarSession | None) -> Parcel:
    results = results_read(needs.names.reads - needs.names.writes, notebook.namespace, session)
    return pack(needs, notebook.namespace, ledger_of(session), results)


def _departure(notebook: Notebook, needs: CellNeeds, parcel: Parcel, count: int) -> Departure:
    concerned = parcel.returns | set(parcel.here)
    return Departure(
        bound={name: notebook.namespace[name] for name in concerned if name in notebook.namespace},
        here=parcel.here,
        sent=frozenset(value.name for value in parcel.values if value.name in parcel.here),
        deletes=needs.names.deletes,
        imports=needs.names.imports,
        cell=count,
    )
