"""Far cells in the Jupyter server: what the browser part talks to. The names below are Jupyter's."""

from typing import Any


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "@farcell/labextension"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "farcell_jupyter"}]


def _load_jupyter_server_extension(server: Any) -> None:
    from farcell_jupyter.extension import add_routes, follow_renames

    add_routes(server.web_app)
    follow_renames(server)
