"""What a worker's main process puts in order before anything of a user's runs: session, signals, files, folder,
environment, randomness."""

import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable

from farcell_protocol.messages.work import Fork
from farcell_worker import isolation
from farcell_worker.descriptors import close_all_but
from farcell_worker.launch import Order


def ignore_idle_interrupt(_signum: int, _frame: object) -> None:
    """SIGINT while nothing of a user's runs. A function rather than SIG_IGN, which children would inherit."""


def forget_start_folder() -> None:
    """Take the folder that `python -m` put on the path off it: it is the keeper's, and no place for imports."""
    if not sys.flags.safe_path and sys.path and sys.path[0] not in ("", None):
        sys.path.pop(0)


def settle(order: Order) -> list[str]:
    """Do all of it, once, in the fresh child. Returns notes for the user: what could not be had as asked."""
    os.setsid()
    _reset_signals()
    # The supervisor is the parent and stays it; it ends with the keeper.
    isolation.die_with_parent(signal.SIGKILL)
    close_all_but({order.worker_fd})
    _close_standard_input()
    if order.isolated and os.geteuid() != 0:
        isolation.drop_capabilities()
    _set_environment(order.fork.env)
    _reseed()
    return _enter_folder(order.fork)


def _reset_signals() -> None:
    for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGQUIT):
        signal.signal(signum, signal.SIG_DFL)
    signal.signal(signal.SIGINT, ignore_idle_interrupt)


def _close_standard_input() -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


def _set_environment(env: dict[str, str]) -> None:
    os.environ.update(env)
    tempfile.tempdir = None  # remembered from the parent's TMPDIR
    if "TZ" in env:
        time.tzset()
    # A fork is too late for the interpreter to read it.
    for folder in reversed([entry for entry in env.get("PYTHONPATH", "").split(os.pathsep) if entry]):
        if folder not in sys.path:
            sys.path.insert(0, folder)


def _reseed() -> None:
    random.seed()
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        seed: Callable[[], None] = numpy_random.seed
        seed()


def _enter_folder(fork: Fork) -> list[str]:
    notes = []
    try:
        os.chdir(fork.cwd)
    except OSError as err:
        folder = tempfile.mkdtemp(prefix="farcell-")
        os.chdir(folder)
        notes.append(f"farcell: cannot work in {fork.cwd!r} here ({err.strerror}); working in {folder} instead\n")
    os.environ["PWD"] = os.getcwd()
    sys.path.insert(0, "")  # as in a notebook: its own folder, wherever that will be
    return notes
