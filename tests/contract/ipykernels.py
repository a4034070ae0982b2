"""Interpreters with particular releases of ipykernel, made once and kept, for trying a worker with each."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

NEWEST = "newest"
_REPOSITORY = Path(__file__).parents[2]
_WORKER_NEEDS = ["msgspec", "xxhash", "cloudpickle", "ipykernel"]


@dataclass(frozen=True)
class Interpreter:
    """A Python that can run workers, and the ipykernel it has."""

    python: str
    ipykernel: str
    environment: dict[str, str]


def ours() -> Interpreter:
    """The one that runs the tests, with what the lock names."""
    return Interpreter(sys.executable, _version_in(sys.executable), dict(os.environ))


@cache
def interpreter_with(release: str) -> Interpreter:
    """One with this release of ipykernel, or with the newest on the index. Fails the test, with the installer's words,
    where it cannot be had: these tests are run where an index can be reached."""
    folder = _cache() / f"ipykernel-{release}-python{sys.version_info[0]}.{sys.version_info[1]}"
    python = folder / "bin" / "python"
    with _alone():
        if not python.exists():
            _run(f"ipykernel {release}", [sys.executable, "-m", "venv", "--without-pip", str(folder)])
        if release == NEWEST or not (folder / "complete").exists():
            wanted = ["--upgrade", *_WORKER_NEEDS] if release == NEWEST else [*_WORKER_NEEDS, f"ipykernel=={release}"]
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", str(python)]
            _run(f"ipykernel {release}", [*pip, "install", *wanted])
            (folder / "complete").touch()
    environment = {**os.environ, "PYTHONPATH": str(_REPOSITORY / "remote_executor")}
    return Interpreter(str(python), _version_in(str(python)), environment)


def _cache() -> Path:
    folder = Path(os.environ.get("FARCELL_TEST_CACHE") or _REPOSITORY / ".cache") / "interpreters"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _alone() -> Iterator[None]:
    with (_cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(what: str, command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    if done.returncode:
        pytest.fail(f"{what} could not be had, so nothing is known of it: {done.stderr[-2000:]}", pytrace=False)


def _version_in(python: str) -> str:
    ask = "from importlib.metadata import version; print(version('ipykernel'))"
    return subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
