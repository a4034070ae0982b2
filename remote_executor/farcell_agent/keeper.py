"""Start the keeper, the small process that must not die, or find the one that runs.

Synchronous and light on purpose: a starting daemon calls this before its slow imports, so that the
keeper and its first zygote warm up beside them.
"""

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from farcell_agent.greeting import greeting, welcome_in
from farcell_host.directories import private_directory
from farcell_host.locks import is_held
from farcell_protocol.errors import FarcellError, Unavailable
from farcell_protocol.framing import RecordReader, encode
from farcell_protocol.messages.keeping import Quit, WarmUp, Welcome
from farcell_protocol.places import Places

KEEPER_COMMAND = (sys.executable, "-P", "-m", "farcell_keeper")
"""`-P`: the keeper starts in `/`, which must not come before the installed packages on its path."""

START_DEADLINE_S = 10.0

# A worker inherits the keeper's environment, and these would give it its executor.
_SECRET_VARIABLES = ("FARCELL_TOKEN", "FARCELL_JOIN_TOKEN")
_LOG_TAIL_BYTES = 2000
_LAST_MOMENTS_S = 2.0

# Dead children stay zombies until somebody waits for them, and a zombie's pid still looks alive.
_started: list["subprocess.Popen[bytes]"] = []


def start_keeper(
    places: Places,
    interpreter: str,
    *,
    warm: bool = True,
    command: Sequence[str] = KEEPER_COMMAND,
    deadline_s: float = START_DEADLINE_S,
) -> None:
    """Make sure that a keeper answers at `places.keeper_socket`; `warm` asks a new one for a zygote of `interpreter`.

    A keeper that runs already is left as it is. Safe to call again, and from two processes at once.

    Raises:
        Unavailable: it did not become ready within `deadline_s`; the text has the end of its log.
        DirectoryNotOurs: a directory of ours belongs to somebody else.
    """
    deadline = time.monotonic() + deadline_s
    private_directory(places.data)
    private_directory(places.runtime)
    _reap()
    if not keeper_answers(places):
        _spawn(places, command, deadline)
        if warm:
            _warm_up(places, interpreter, deadline)


def dismiss_keeper(places: Places, *, once_idle: bool = False) -> bool:
    """Have a keeper leave that nobody needs any more; whether there is none, or it will leave.

    One that has workers, or anything an executor has yet to take, stays, unless `once_idle` asks it to
    leave after its last worker.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(2.0)
        try:
            connection.connect(str(places.keeper_socket))
            connection.sendall(encode(greeting()))
            welcome = _welcome(connection)
            if welcome is None or ((welcome.workers or welcome.runs) and not once_idle):
                return False
            connection.sendall(encode(Quit()))
        except (FileNotFoundError, ConnectionRefusedError):
            return True
        except (OSError, FarcellError):
            return False
    return True


def keeper_answers(places: Places) -> bool:
    """Whether the keeper of this data directory accepts connections at its socket.

    Where the directory was deleted and made anew, the one before may still listen: it is about to leave,
    and would end our workers with its own.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)  # one that is stopped accepts nothing any more
        try:
            probe.connect(str(places.keeper_socket))
        except OSError:
            return False
    return is_held(places.keeper_lock)


def _spawn(places: Places, command: Sequence[str], deadline: float) -> None:
    ready, ready_here = os.pipe()
    log_start = _size(places.keeper_log)
    try:
        process = _popen(places, command, ready_here)
    finally:
        os.close(ready_here)
    _started.append(process)
    with open(ready, "rb", buffering=0) as pipe:
        readable, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        is_ready = bool(readable) and bool(pipe.read(1))
    has_closed = bool(readable) and not is_ready
    if is_ready:
        return
    if has_closed and _has_left(process):
        if process.returncode == os.EX_TEMPFAIL and _other_answers(places, deadline):
            return
        what = f"left with status {process.returncode}"
    else:
        process.kill()
        process.wait()
        what = "was not ready in time"
    raise Unavailable(
        f"the keeper {what}; {places.keeper_log} ends with:\n{_tail(places.keeper_log, log_start)}",
        log=str(places.keeper_log),
    )


def _other_answers(places: Places, deadline: float) -> bool:
    """Whether the keeper answers that held the lock before ours: somebody else was starting one just now."""
    while not keeper_answers(places):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)  # nobody tells us when another process's keeper is ready
    return True


def _has_left(process: "subprocess.Popen[bytes]") -> bool:
    """Whether it ends within moments: a process closes its files a little before it can be waited for."""
    try:
        process.wait(_LAST_MOMENTS_S)
    except subprocess.TimeoutExpired:
        return False
    return True


def _popen(places: Places, command: Sequence[str], ready_fd: int) -> "subprocess.Popen[bytes]":
    arguments = ["--data", str(places.data), "--runtime", str(places.runtime), "--ready-fd", str(ready_fd)]
    log = os.open(places.keeper_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        return subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(ready_fd,),
            close_fds=True,
            start_new_session=True,  # a stop button signals the process group of whoever started us
            cwd="/",
            env=_environment(os.environ),
        )
    finally:
        os.close(log)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name not in _SECRET_VARIABLES}


def _warm_up(places: Places, interpreter: str, deadline: float) -> None:
    """Say both messages and wait for the `Welcome`: a keeper that cannot answer must not be mistaken for a good one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(max(0.1, deadline - time.monotonic()))
        try:
            connection.connect(str(places.keeper_socket))
            connection.sendall(encode(greeting()) + encode(WarmUp(interpreter)))
            welcome = _welcome(connection)
        except OSError as err:
            raise Unavailable(f"the new keeper does not answer ({err}); see {places.keeper_log}") from err
    if welcome is None:
        raise Unavailable(f"the new keeper did not answer a greeting; see {places.keeper_log}")


def _welcome(connection: socket.socket) -> Welcome | None:
    """The first message; None if the keeper closes before it."""
    reader = RecordReader()
    while data := connection.recv(65536):
        for body in reader.receive_bytes(data):
            return welcome_in(body)
    return None


def _reap() -> None:
    _started[:] = [process for process in _started if process.poll() is None]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _tail(path: Path, start: int) -> str:
    with open(path, "rb") as log:
        log.seek(max(start, _size(path) - _LOG_TAIL_BYTES))
        return log.read().decode(errors="replace").strip() or "(nothing)"
