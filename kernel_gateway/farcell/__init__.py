"""Farcell runs a notebook cell on a GPU somewhere else, as if it had run here.

`%load_ext farcell`, then `%%gpu H100` above a cell. `connect` chooses an executor other than the user's own.
"""

from typing import Any

from farcell.failures import FarError, FarInterrupt
from farcell.handles import Handle
from farcell_protocol.errors import FarcellError

__all__ = ["FarError", "FarInterrupt", "FarcellError", "Handle", "connect", "load_ipython_extension"]


def connect(url: str, token: str | None = None) -> None:
    """Use the executor at `url` from now on; without a `token` the environment's `FARCELL_TOKEN`.

    Nothing is dialled before the first cell.

    Raises:
        BadRequest: the address cannot be read.
    """
    from farcell import config

    config.connect(url, token)


def load_ipython_extension(shell: Any) -> None:
    """What `%load_ext farcell` calls."""
    from farcell.magics import load

    load(shell)
