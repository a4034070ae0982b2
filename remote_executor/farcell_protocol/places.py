"""Where an executor's or agent's files lie, computed alike by whoever has to find them. Touches no file."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# sun_path holds 108 bytes on Linux with the terminating zero (unix(7)); the longest of our names is 13.
_LONGEST_SOCKET_DIRECTORY = 107 - len("/executor.sock")


@dataclass(frozen=True)
class Places:
    """The two directories of one installation, and what is in them. Both are private (0700).

    `data` outlives a reboot; `runtime` holds sockets and must have a short path.
    """

    data: Path
    runtime: Path

    @property
    def executor_lock(self) -> Path:
        """Locked (flock) by the one executor on this data directory; its text is JSON with pid and address."""
        return self.data / "executor.lock"

    @property
    def start_lock(self) -> Path:
        """Locked by whoever is starting the embedded executor, so that two kernels start one."""
        return self.data / "start.lock"

    @property
    def executor_socket(self) -> Path:
        """The embedded executor's API, mode 0600."""
        return self.runtime / "executor.sock"

    @property
    def token_file(self) -> Path:
        """The admin token made at the first start, mode 0600."""
        return self.data / "token"

    @property
    def executor_log(self) -> Path:
        """What the embedded executor logs."""
        return self.data / "executor.log"

    @property
    def store(self) -> Path:
        """The SQLite database."""
        return self.data / "store.sqlite"

    @property
    def run_logs(self) -> Path:
        """A directory with one log per run."""
        return self.data / "runs"

    @property
    def node_file(self) -> Path:
        """The agent's node id, made at its first start."""
        return self.data / "node"

    @property
    def agent_lock(self) -> Path:
        """Locked by the one agent on this data directory, embedded or not; its text is JSON with the pid."""
        return self.data / "agent.lock"

    @property
    def simulated_devices(self) -> Path:
        """The simulated devices that were declared and may still be held by a worker."""
        return self.data / "simulated.json"

    @property
    def scratch(self) -> Path:
        """A directory with the working directory of each worker that has no better one."""
        return self.data / "scratch"

    @property
    def keeper_lock(self) -> Path:
        """Locked by the one keeper on this data directory."""
        return self.data / "keeper.lock"

    @property
    def keeper_socket(self) -> Path:
        """Where the agent reaches its keeper, mode 0600."""
        return self.runtime / "keeper.sock"

    @property
    def keeper_log(self) -> Path:
        """What the keeper and its zygotes say on standard error."""
        return self.data / "keeper.log"

    @property
    def spool(self) -> Path:
        """A directory with one file per run: frames the agent's side has not acknowledged."""
        return self.data / "spool"


def data_directory(environ: Mapping[str, str], home: Path) -> Path:
    """`FARCELL_DATA`, or `farcell` in the XDG data directory."""
    chosen = environ.get("FARCELL_DATA")
    if chosen:
        return Path(chosen).absolute()
    xdg = environ.get("XDG_DATA_HOME")
    # The XDG specification says that a relative path there is to be ignored.
    base = Path(xdg) if xdg and xdg.startswith("/") else home / ".local" / "share"
    return base / "farcell"


def places(data: Path, environ: Mapping[str, str], uid: int) -> Places:
    """The places of the installation whose data directory is `data`.

    Sockets lie in the XDG runtime directory where there is one (a home on a network file system
    cannot hold them), else in the data directory if its path is short enough, else under /tmp.
    """
    mark = hashlib.sha256(str(data).encode()).hexdigest()[:10]
    xdg = environ.get("XDG_RUNTIME_DIR")
    candidates = [Path(xdg) / f"farcell-{mark}"] if xdg and xdg.startswith("/") else []
    candidates += [data / "run", Path("/tmp") / f"farcell-{uid}-{mark}"]
    fitting = (path for path in candidates if len(str(path).encode()) <= _LONGEST_SOCKET_DIRECTORY)
    return Places(data, next(fitting))
