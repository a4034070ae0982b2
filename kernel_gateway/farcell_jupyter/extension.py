"""The entry point: puts our routes into a Jupyter server."""

from typing import Any

from jupyter_server.utils import url_path_join
from tornado.web import Application

from farcell_jupyter import live
from farcell_jupyter.renames import Renames
from farcell_jupyter.routes import nodes, notebook, runs, sessions, status

PREFIX = "farcell"

ROUTES: list[tuple[str, type[Any]]] = [
    (r"status", status.StatusHandler),
    (r"notebook", notebook.NotebookHandler),
    (r"nodes", nodes.NodesHandler),
    (r"devices/simulate", nodes.SimulateHandler),
    (r"sessions", sessions.SessionsHandler),
    (r"sessions/([\w-]+)", sessions.SessionHandler),
    (r"sessions/([\w-]+)/stop", sessions.StopHandler),
    (r"runs", runs.RunsHandler),
    (r"runs/([\w-]+)", runs.RunHandler),
    (r"runs/([\w-]+)/interrupt", runs.InterruptHandler),
    (r"runs/([\w-]+)/cancel", runs.CancelHandler),
    (r"runs/([\w-]+)/output", runs.OutputHandler),
    (r"live", live.LiveHandler),
]
"""Everything that is served, below `farcell/`."""


def add_routes(application: Application) -> None:
    """Serve `ROUTES`. Nothing is dialled or started before the first request."""
    base = application.settings.get("base_url", "/")
    application.add_handlers(".*$", [(url_path_join(base, PREFIX, path), handler) for path, handler in ROUTES])


def follow_renames(server: Any) -> None:
    """Remember what is renamed through this server, by its own events."""
    renames = server.web_app.settings["farcell_renames"] = Renames()
    server.event_logger.add_listener(schema_id=server.contents_manager.event_schema_id, listener=renames.heard)
