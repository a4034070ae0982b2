"""Every setting of a running executor; nothing else of it reads the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from farcell_host.environment import bytes_from
from farcell_protocol.errors import BadRequest
from farcell_protocol.places import Places, data_directory, places

DEFAULT_IDLE_EXIT_S = 900.0
DEFAULT_PORT = 8765
DEFAULT_NODE_GRACE_S = 600.0
DAY_S = 86400.0
DEFAULT_KEEP_DAYS = 30.0
DEFAULT_KEEP_BYTES = 10 * 2**30


@dataclass(frozen=True)
class Settings:
    """How one executor runs. `port` is None when only the Unix socket is served, which always is.

    `idle_exit_s` is None for an executor that stays until it is told to go. `fault_at` names a
    checkpoint of the driver at which the process kills itself; tests alone set it. `embedded_agent`
    is false for a service without devices of its own. A node that is out of reach for `node_grace_s` is given up.
    Ended runs go after `keep_runs_s`, and earlier where all logs together take more than `keep_logs_bytes`.
    """

    places: Places
    interpreter: str
    host: str = "127.0.0.1"
    port: int | None = None
    idle_exit_s: float | None = None
    simulate: str = ""
    fault_at: str = ""
    memory_store: bool = False
    embedded_agent: bool = True
    allowed_hosts: frozenset[str] = frozenset({"localhost", "127.0.0.1", "::1"})
    allowed_origins: frozenset[str] = frozenset()
    node_grace_s: float = DEFAULT_NODE_GRACE_S
    worker_memory_bytes: int | None = None
    keep_runs_s: float = DEFAULT_KEEP_DAYS * DAY_S
    keep_logs_bytes: int = DEFAULT_KEEP_BYTES


def settings_from(
    environ: Mapping[str, str],
    home: Path,
    uid: int,
    *,
    interpreter: str,
    data: str | None = None,
    idle_exit_s: float | None = None,
    simulate: str | None = None,
) -> Settings:
    """What the command line says, else the variables `FARCELL_...` named below, else the defaults.

    Raises:
        BadRequest: a variable that must be a number is not.
    """
    directory = Path(data).absolute() if data else data_directory(environ, home)
    if idle_exit_s is None:
        idle_exit_s = _above_zero(environ, "FARCELL_IDLE_EXIT_S", DEFAULT_IDLE_EXIT_S)
    return Settings(
        places=places(directory, environ, uid),
        interpreter=interpreter,
        idle_exit_s=idle_exit_s,
        simulate=environ.get("FARCELL_SIMULATE", "") if simulate is None else simulate,
        fault_at=environ.get("FARCELL_FAULT_AT", ""),
        node_grace_s=_above_zero(environ, "FARCELL_NODE_GRACE_S", DEFAULT_NODE_GRACE_S),
        worker_memory_bytes=bytes_from(environ, "FARCELL_WORKER_MEMORY"),
        keep_runs_s=_above_zero(environ, "FARCELL_KEEP_DAYS", DEFAULT_KEEP_DAYS, "days") * DAY_S,
        keep_logs_bytes=bytes_from(environ, "FARCELL_KEEP_BYTES") or DEFAULT_KEEP_BYTES,
    )


def _above_zero(environ: Mapping[str, str], name: str, default: float, unit: str = "seconds") -> float:
    text = environ.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if value <= 0:
        raise BadRequest(f"{name}={text!r} must be a number of {unit} above 0", variable=name, value=text)
    return value
