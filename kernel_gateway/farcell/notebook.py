"""What one notebook's kernel knows of the far side: its executor, sessions, and runs left behind."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from farcell import config
from farcell.exchange.homeward import Departure
from farcell.exchange.sessions import Sessions
from farcell.options import CellOptions
from farcell.parties import OutputScreen
from farcell_host.target import Target
from farcell_protocol.ids import RunId
from farcell_protocol.messages.api import RunView

if TYPE_CHECKING:
    from farcell.client import Client
    from farcell.commsrun import FarComms, RunComms

_CONNECTION_FILE = re.compile(r"kernel-(.+)\.json")


OnStart = Callable[[str], None] | None
"""Called with a line to show if an embedded executor has to be started."""


def dial_executor(target: Target, on_start: OnStart) -> "Client":
    """A connected client of that executor; `on_start` is called if the embedded one has to be started.

    Raises:
        FarcellError: there is none that lets us in.
    """
    from farcell.client import Client  # with its event loop, so only when there is something to send

    client = Client(target, on_start=on_start)
    try:
        client.connect()
    except BaseException:
        client.close()
        raise
    return client


@dataclass
class Notebook:
    """The state behind `%%gpu` in one kernel. `namespace` is the user's; `new_screen` makes a screen for
    the cell now running, `dial` a connected client; `keep_result` binds what a cell displayed to `_` and `Out`.
    `use` says where cells without a magic run: here, if it is None. `comms` are the widgets of far cells, where
    there is a front end that could show any. `leaves` says that this kernel is being shut down."""

    namespace: dict[str, Any]
    name: str
    new_screen: Callable[[], OutputScreen]
    sessions: Sessions = field(default_factory=Sessions)
    left: dict[RunId, Departure] = field(default_factory=dict)
    seen: set[RunId] = field(default_factory=set)
    dial: "Callable[[Target, OnStart], Client]" = dial_executor
    keep_result: Callable[[Any], object] = lambda value: None
    use: CellOptions | None = None
    comms: "FarComms | None" = None
    number_of: Callable[[str], int] = lambda file: 0
    leaves: Callable[[], bool] | None = None
    _client: "Client | None" = None
    _tell: OnStart = None
    _target: Target | None = None

    def client(self, on_start: OnStart = None) -> "Client":
        """A connected client of the executor in force; `on_start` is called if an embedded one is to be started.

        Raises:
            FarcellError: there is none that lets us in.
        """
        self.heed_target()
        self._tell = on_start
        if self._client is None:
            wanted = config.target(os.environ)
            self._client, self._target = self.dial(wanted, self._told), wanted
        return self._client

    def _told(self, text: str) -> None:
        """A client may have to start an executor again long after it was made: the cell now running says so."""
        if self._tell is not None:
            self._tell(text)

    def comms_of_run(self, client: "Client", attached: RunView | None = None) -> "RunComms | None":
        """Who looks after the widgets of a run that is about to be watched; see `FarComms.of_run`."""
        return self.comms.of_run(client, attached) if self.comms is not None else None

    def heed_target(self) -> None:
        """Let go of an executor that is no longer the one to use; before anything is decided by its sessions."""
        if self._client is not None and self._target != config.target(os.environ):
            self.disconnect()

    @property
    def connected(self) -> "Client | None":
        """The client, if there is one already: for what must not start an executor."""
        return self._client

    def disconnect(self) -> None:
        """Forget the executor and what it held; its sessions cannot be reached from another one."""
        if self._client is not None:
            self._client.close()
        self._client = self._target = None
        self.sessions = Sessions()
        self.left.clear()


def notebook_name(environ: Mapping[str, str], connection_file: str, pid: int) -> str:
    """A name for this notebook that outlives its kernel where anything tells us one.

    `FARCELL_NOTEBOOK`, else the path Jupyter gives (`JPY_SESSION_NAME`), else the id of the kernel's connection
    file, else the process.
    """
    for variable in ("FARCELL_NOTEBOOK", "JPY_SESSION_NAME"):
        if environ.get(variable):
            return environ[variable]
    found = _CONNECTION_FILE.fullmatch(os.path.basename(connection_file))
    return f"kernel-{found[1]}" if found else f"terminal-{pid}"
