"""A GPU host's folder for tests, with its keepers found by what they were started with."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from farcell_protocol.framing import encode
from farcell_protocol.messages.keeping import Greet
from farcell_protocol.places import Places, places

STAND_IN = (sys.executable, str(Path(__file__).with_name("keeper.py")))
"""The command of the keeper without workers."""


@contextmanager
def node_folder(folder: Path) -> Iterator[Places]:
    """Places of a node in `folder`; afterwards none of its keepers is left."""
    made = places(folder, {}, os.getuid())
    try:
        yield made
    finally:
        for pid in keepers_of(made):
            os.kill(pid, signal.SIGKILL)


def keepers_of(where: Places) -> list[int]:
    """Pids of living keepers on this data directory."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _is_keeper(entry, where)]


def greet_as_another_agent(where: Places) -> None:
    """Take the keeper over from the agent that has it, and leave."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(where.keeper_socket))
        connection.sendall(encode(Greet(1, 1, os.getpid())))
        assert connection.recv(1)


def resident_bytes() -> int:
    """How much memory this process occupies."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _is_keeper(entry: Path, where: Places) -> bool:
    try:
        command = (entry / "cmdline").read_bytes()
    except OSError:
        return False
    return b"--ready-fd" in command and b"\0--data\0" + str(where.data).encode() + b"\0" in command


async def eventually(condition: Callable[[], object], what: str, deadline_s: float = 10) -> None:
    """Wait for what another process does and announces to nobody."""
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline_s
    while not condition():
        assert loop.time() < end, f"not within {deadline_s} s: {what}"
        await asyncio.sleep(0.005)
