"""The `%gpu` line magic: what each of its words does. Knows no IPython; returns the text to print."""

import codecs
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from farcell import config, tables
from farcell.cells import connected, settle
from farcell.exchange.standing import still_there
from farcell.failures import raise_outcome
from farcell.notebook import Notebook
from farcell.options import LOCAL, Command, OptionError, options_text, parse_options, split
from farcell.parties import OutputScreen
from farcell.variables import variables_shown
from farcell.watch import Watch
from farcell_protocol.errors import NotFound, Unavailable
from farcell_protocol.frames import Message
from farcell_protocol.gpus import parse_gpus
from farcell_protocol.ids import RunId, SessionId, is_id
from farcell_protocol.messages.api import RunView, SessionView

if TYPE_CHECKING:
    from farcell.client import Client

_GRACE_S = 2.0


def run_command(notebook: Notebook, screen: OutputScreen, command: Command) -> str:
    """Do what a `%gpu` line says.

    Raises:
        FarcellError: the executor refuses, or cannot be reached.
        FarError, FarInterrupt: from `attach`, as the cell itself would have.
    """
    if command.verb == "connect":
        return connect(notebook, command.target, command.token_file)
    if command.verb in _AT_HOME:
        return _AT_HOME[command.verb](notebook, screen, command.target)
    return _VERBS[command.verb](notebook, screen, connected(notebook, screen), command.target)


def _use(notebook: Notebook, screen: OutputScreen, target: str) -> str:
    """Where cells without a magic run from now on; with nothing to say, where they run now."""
    words = split(target)
    if words:
        notebook.use = None if words == [LOCAL] else parse_options(target)
    if notebook.use is None:
        return "cells run here; %gpu use H100 sends every following one to an H100"
    where = options_text(notebook.use)
    return f"every following cell runs as with %%gpu {where}; %%local keeps one here, %gpu use {LOCAL} ends it"


def _vars(notebook: Notebook, screen: OutputScreen, target: str) -> str:
    """Shows where each variable lives; starts no executor."""
    client = notebook.connected
    if client is not None:
        with suppress(Unavailable):  # what was last heard of the sessions stands
            for session in notebook.sessions:
                still_there(client, session)
    shown = variables_shown(notebook.namespace, list(notebook.sessions))
    screen.show(Message("display_data", {"data": shown, "metadata": {}, "transient": {}}))
    return ""


def connect(notebook: Notebook, url: str, token_file: str = "") -> str:
    """Use another executor from now on, and see at once whether it lets us in."""
    token = _read_token(token_file) if token_file else None
    before = config.target(os.environ)
    config.connect(url, token)
    try:
        return tables.executor_text(notebook.client().status(), url)
    except BaseException:
        config.connect(None if before.embedded else before.url, before.token)
        raise


def _read_token(name: str) -> str:
    try:
        return Path(name).expanduser().read_text().strip()
    except OSError as err:
        raise OptionError(f"cannot read the token from {name}: {err.strerror}") from err


def _status(notebook: Notebook, screen: OutputScreen, client: "Client", target: str) -> str:
    address = config.target(os.environ).url
    parts = [tables.executor_text(client.status(), address), tables.nodes_text(client.nodes())]
    return "\n".join([*parts, tables.sessions_text(client.sessions()), tables.runs_text(client.runs())])


def _sessions(notebook: Notebook, screen: OutputScreen, client: "Client", target: str) -> str:
    return tables.sessions_text(client.sessions())


def _simulate(notebook: Notebook, screen: OutputScreen, client: "Client", target: str) -> str:
    parse_gpus(target)  # the same words as for a cell, refused here with the same text
    return tables.devices_table(client.simulate(target))


def _logs(notebook: Notebook, screen: OutputScreen, client: "Client", target: str) -> str:
    run = _run_id(target) if target else _newest(notebook, client.runs())
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for piece in client.output_pieces(run):
        screen.show(Message("stream", {"name": "stdout", "text": decoder.decode(piece)}))
    return ""


def _attach(notebook: Notebook, screen: OutputScreen, client: "Client", target: str) -> str:
    run = _run_id(target) if target else _to_attach(notebook, client.runs())
    view = client.run(run)
    comms = notebook.comms_of_run(client, view)  # of an ended run, the frames come before its state
    on_view = _observer(notebook, client, view)
    seen = Watch(client.follow(run), client, screen, on_view, comms=comms, leaves=notebook.leaves).to_the_end()
    settle(notebook, screen, seen, waited=False)
    with suppress(Unavailable):  # what the run came to matters more
        still_there(client, notebook.sessions.get(view.session))
    raise_outcome(seen)
    return ""


def _observer(notebook: Notebook, client: "Client", run: RunView) -> Callable[[RunView], None]:
    """What notes the states of a run that is attached to. A cell of ours will get its session only if that lives and
    is named or our own, and not one that ends with its run while we have another."""
    session = _session(client, run.session)
    name = session.name if session is not None else ""
    key = str(parse_gpus(run.gpu)), name
    elsewhere = "" if name or run.notebook == notebook.name else run.notebook
    ours = notebook.sessions.expected(key)
    gets_it = session is not None and session.state != "ended" and not elsewhere
    if gets_it and (ours is None or ours.id == run.session):
        return lambda seen: notebook.sessions.saw(seen, key)
    return lambda seen: notebook.sessions.saw_elsewhere(seen, key, elsewhere)


def _session(client: "Client", session: SessionId) -> SessionView | None:
    try:
        return client.session(session) if session else None  # a refused run has no session
    except NotFound:
        return None


def _stop(notebook: Notebook, screen: OutputScreen, client: "Client", target: str) -> str:
    if is_id(target, "r"):
        client.cancel(RunId(target), grace_s=_GRACE_S)
        return f"stopping run {target}"
    if target:
        return _stop_sessions(client, None if target == "--all" else {target})
    going = [run for run in client.runs() if run.state != "ended" and run.notebook == notebook.name]
    for run in going:
        client.cancel(run.run, grace_s=_GRACE_S)
    if going:
        return "stopping " + ", ".join(f"run {run.run}" for run in going)
    return "nothing of this notebook runs; %gpu stop SESSION or %gpu stop --all releases sessions"


def _stop_sessions(client: "Client", wanted: set[str] | None) -> str:
    """Release the sessions of these ids or names, or all."""
    living = [session for session in client.sessions() if session.state != "ended"]
    found = [one for one in living if wanted is None or wanted & {one.session, one.name}]
    if not found and wanted is not None:
        raise NotFound(f"there is no session {', '.join(sorted(wanted))}; %gpu sessions lists them")
    for session in found:
        client.stop_session(SessionId(session.session), grace_s=_GRACE_S)
    return "releasing " + ", ".join(session.session for session in found) if found else "no sessions to release"


def _run_id(text: str) -> RunId:
    if not is_id(text, "r"):
        raise OptionError(f"{text!r} is not a run's id; they look like r-0123456789ab, and %gpu status lists them")
    return RunId(text)


def _newest(notebook: Notebook, runs: list[RunView]) -> RunId:
    return _latest([run for run in runs if run.notebook == notebook.name], notebook)


def _to_attach(notebook: Notebook, runs: list[RunView]) -> RunId:
    """The newest run of this notebook that still goes on, else the newest whose end was not seen here."""
    mine = [run for run in runs if run.notebook == notebook.name and run.run not in notebook.seen]
    return _latest([run for run in mine if run.state != "ended"] or mine, notebook)


def _latest(runs: list[RunView], notebook: Notebook) -> RunId:
    if not runs:
        raise NotFound(f"no run of {notebook.name} is left to show; name one: %gpu status lists them")
    return max(runs, key=lambda run: run.created).run


_AT_HOME: dict[str, Callable[[Notebook, OutputScreen, str], str]] = {"use": _use, "vars": _vars}
"""What needs no executor."""

_VERBS: dict[str, Callable[[Notebook, OutputScreen, "Client", str], str]] = {
    "status": _status,
    "sessions": _sessions,
    "simulate": _simulate,
    "logs": _logs,
    "attach": _attach,
    "stop": _stop,
}
