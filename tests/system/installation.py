"""A Farcell installation in a temporary data directory: its processes, found by what they leave there."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from farcell_protocol.places import Places, places
from tests.fakes.waiting import eventually, is_running

PYTHON = sys.executable


def locked_by(lock: Path) -> int:
    """The pid that a lock file names.

    Raises:
        AssertionError: nobody has written one.
    """
    pid = json.loads(lock.read_text())["pid"]
    assert isinstance(pid, int)
    return pid


def marked(data: Path) -> set[int]:
    """All living processes whose environment or command line names this data directory."""
    found = set()
    needle = str(data).encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            text = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if needle in text and is_running(int(entry.name)):
            found.add(int(entry.name))
    return found


@dataclass
class Installation:
    """One data directory and the environment that points at it."""

    data: Path
    environment: dict[str, str]
    places: Places
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def executor_pid(self) -> int:
        """The running executor."""
        return locked_by(self.places.executor_lock)

    @property
    def keeper_pid(self) -> int:
        """The running keeper."""
        return locked_by(self.places.keeper_lock)

    @property
    def agent_keeper_pid(self) -> int:
        """The keeper of a separate agent, which has a data directory of its own inside this one."""
        return locked_by(self.data / "agent" / "keeper.lock")

    def address(self) -> str:
        """Where the running executor listens, or nothing yet."""
        address = json.loads(self.places.executor_lock.read_text()).get("address", "")
        assert isinstance(address, str)
        return address

    def worker_pids(self) -> list[int]:
        """The main processes of all living workers, as the executor reports them."""
        runs = rest(self.places, "/v1/sessions")
        workers = [session["worker"] for session in runs if session["state"] == "ready"]
        return [worker["pid"] for worker in workers]

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[bytes]":
        """Start `farcell ARGUMENTS` beside the test; ended with the installation."""
        process = subprocess.Popen(
            [PYTHON, "-m", "farcell_executor.cli", *arguments],
            env=self.environment | environment,
            cwd=self.data,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.data / f"{arguments[0]}.stderr").open("ab"),
        )
        self.processes.append(process)
        return process

    def farcell(self, *arguments: str, timeout_s: float = 30) -> "subprocess.CompletedProcess[bytes]":
        """Run `farcell ARGUMENTS` to its end."""
        return subprocess.run(
            [PYTHON, "-m", "farcell_executor.cli", *arguments],
            env=self.environment,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )


@contextmanager
def installation(data: Path, **environment: str) -> Iterator[Installation]:
    """An installation that is gone afterwards with every process it ever started.

    Raises:
        AssertionError: a process outlived `farcell stop` by 15 s.
    """
    data.mkdir(parents=True, exist_ok=True)
    base = {k: v for k, v in os.environ.items() if not k.startswith(("FARCELL_", "XDG_RUNTIME_DIR", "JPY_"))}
    env = base | {"FARCELL_DATA": str(data), "FARCELL_NOTEBOOK": "test.ipynb"} | environment
    made = Installation(data, env, places(data, env, os.getuid()))
    try:
        yield made
        made.farcell("stop")
        for process in made.processes:
            process.terminate()
            process.wait(15)
        # Kernels of the test have ended by then; what is left would have leaked.
        eventually(lambda: not marked(data), f"everything ended: {[_describe(p) for p in marked(data)]}", 15)
    finally:
        for pid in marked(data):
            _kill(pid)
        for process in made.processes:
            process.wait(15)
        # A data directory deep down has its sockets in a folder elsewhere.
        shutil.rmtree(made.places.runtime, ignore_errors=True)


def rest(where: Places, path: str) -> Any:
    """GET a path of the executor that listens on its Unix socket."""
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(where.executor_socket))
    headers = {"Authorization": f"Bearer {where.token_file.read_text().strip()}", "Farcell-Protocol": "1;1"}
    connection.request("GET", path, headers=headers)
    with connection.getresponse() as response:
        assert response.status == 200, response.read()
        return json.loads(response.read())


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _describe(pid: int) -> str:
    try:
        return f"{pid}: {Path(f'/proc/{pid}/cmdline').read_bytes().replace(bytes(1), b' ').decode()}"
    except OSError:
        return f"{pid}: gone"
