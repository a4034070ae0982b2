"""Starting the embedded executor as a daemon that outlives this kernel and hears none of its signals."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from farcell_protocol.errors import ExecutorUnreachable
from farcell_protocol.places import Places

_TAIL_BYTES = 2048
_GOING_S = 2.0
# Ours alone: the daemon serves every notebook, and its workers must not take this kernel for a parent.
_NOT_INHERITED = ("JPY_", "FARCELL_URL", "FARCELL_TOKEN", "FARCELL_NOTEBOOK")

_children: list["subprocess.Popen[bytes]"] = []
"""Daemons started here: asked now and then, so that one that has left is no zombie for long."""


class Daemon:
    """One that was just started: whether it is ready or dead, and what it said if it is."""

    def __init__(self, process: "subprocess.Popen[bytes]", ready: int, places: Places, log_start: int) -> None:
        self._process = process
        self._ready = ready
        self._places = places
        self._log_start = log_start

    def has_settled(self) -> bool:
        """Whether it said that it is ready, or died. Both make the pipe readable: a byte, or its end."""
        return bool(select.select([self._ready], [], [], 0)[0])

    def wait(self, timeout_s: float) -> None:
        """Return when it has settled, or after `timeout_s`."""
        select.select([self._ready], [], [], timeout_s)

    def give_up(self) -> None:
        """It did not become ready in time."""
        self._process.terminate()

    def failure(self) -> ExecutorUnreachable:
        """Why it does not answer, with the end of what it wrote."""
        code = self._exit_code()
        how = "does not answer" if code is None else f"ended with {_exit_text(code)} as it started"
        return ExecutorUnreachable(
            f"the embedded executor {how}; from {self._places.executor_log}:\n{self._last_words()}",
            exit_code=code,
            log=str(self._places.executor_log),
        )

    def _exit_code(self) -> int | None:
        if self.has_settled() and not os.read(self._ready, 1):
            # The pipe ended, so it is going; that is seen a moment before its status can be had.
            with suppress(subprocess.TimeoutExpired):
                return self._process.wait(_GOING_S)
        return self._process.poll()

    def _last_words(self) -> str:
        with self._places.executor_log.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(min(self._log_start, end), end - _TAIL_BYTES))
            return log.read(_TAIL_BYTES).decode(errors="replace").strip() or "(nothing)"


def _exit_text(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


@contextmanager
def spawn(environ: Mapping[str, str], places: Places, command: list[str] | None = None) -> Iterator[Daemon]:
    """Start it, for as long as it takes to become ready; leaving does not end it.

    Raises:
        OSError: it cannot be started, or its log cannot be written.
    """
    _reap()
    ready, said = os.pipe()
    try:
        with _log(places) as log:
            log_start = os.fstat(log).st_size
            process = _start(command or _command(), said, log, environ)
        os.close(said)
        said = -1
        _children.append(process)
        yield Daemon(process, ready, places, log_start)
    finally:
        os.close(ready)
        if said >= 0:
            os.close(said)


def _command() -> list[str]:
    return [sys.executable, "-m", "farcell_executor", "--embedded", "--interpreter", sys.executable]


@contextmanager
def _log(places: Places) -> Iterator[int]:
    number = os.open(places.executor_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        yield number
    finally:
        os.close(number)


def _start(command: list[str], said: int, log: int, environ: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    # The mask of the thread that forks is inherited, and a program that blocks SIGTERM would hand the
    # daemon, and through it every worker, a signal it can never hear.
    mask = signal.pthread_sigmask(signal.SIG_SETMASK, [])
    try:
        return subprocess.Popen(
            [*command, "--ready-fd", str(said)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={name: value for name, value in environ.items() if not name.startswith(_NOT_INHERITED)},
            pass_fds=(said,),
            start_new_session=True,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _reap() -> None:
    _children[:] = [child for child in _children if child.poll() is None]
