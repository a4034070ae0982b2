"""A Jupyter kernel as a process of ours: started on `ipc` sockets in a folder nobody else can look into, interrupted,
and its end noticed.

None of its channels is a TCP port. ipykernel by itself opens one on the loopback, to hear what forked processes print.
"""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from jupyter_client.connect import write_connection_file
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from jupyter_client.launcher import launch_kernel
from jupyter_client.session import new_id_bytes

from farcell_protocol.errors import WorkerNotStarted
from farcell_protocol.messages.work import NUDGE

_LONGEST_FOLDER = 80
"""A Unix socket's path has 107 bytes, of which the socket's own name takes some."""

_LAST_BYTES = 4000


@dataclass(frozen=True)
class KernelCommand:
    """What a kernelspec says of starting a kernel; the defaults are this interpreter's ipykernel, without a history."""

    argv: tuple[str, ...] = (
        sys.executable,
        "-Xfrozen_modules=off",
        "-m",
        "ipykernel_launcher",
        "-f",
        "{connection_file}",
        "--HistoryManager.enabled=False",
    )
    env: dict[str, str] = field(default_factory=dict)
    interrupt_by_message: bool = False
    resource_dir: str = ""


def command_of(name: str) -> KernelCommand:
    """The command of an installed kernelspec; of our own ipykernel for no name.

    Raises:
        WorkerNotStarted: there is no kernelspec of that name.
    """
    if not name:
        return KernelCommand()
    specs = KernelSpecManager()
    try:
        spec = specs.get_kernel_spec(name)
    except NoSuchKernel:
        there = ", ".join(sorted(specs.find_kernel_specs())) or "none"
        raise WorkerNotStarted(f"there is no Jupyter kernel named {name!r} in the worker; there are: {there}") from None
    return KernelCommand(tuple(spec.argv), dict(spec.env), spec.interrupt_mode == "message", spec.resource_dir)


def private_folder() -> Path:
    """A new folder for this user alone, short enough for sockets."""
    parent = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="farcell-", dir=parent if len(parent) <= _LONGEST_FOLDER else "/tmp"))


class KernelProcess:
    """A running kernel. `ended` is called once, on a thread, with its `Popen.returncode`."""

    def __init__(self, command: KernelCommand, folder: Path, ended: Callable[[int], object]) -> None:
        file = str(folder / "connection.json")
        _, self.connection = write_connection_file(file, transport="ipc", ip=str(folder / "kernel"), key=new_id_bytes())
        self._by_message = command.interrupt_by_message
        self._tail = bytearray()
        read_end, write_end = os.pipe()
        try:
            self._process = launch_kernel(
                _filled_in(command, file),
                stdin=subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                env={**os.environ, **command.env},
            )
        except OSError as err:
            os.close(read_end)
            raise WorkerNotStarted(f"the kernel's program cannot be started: {err}") from err
        finally:
            os.close(write_end)
        self._words = threading.Thread(target=self._read_last_words, args=[read_end], daemon=True)
        self._words.start()
        threading.Thread(target=lambda: ended(self._process.wait()), name="farcell-kernel", daemon=True).start()

    @property
    def last_words(self) -> str:
        """The end of what it wrote where no kernel should: a crash's report, or why it did not start."""
        return bytes(self._tail).decode("utf-8", "backslashreplace")

    def join_words(self, seconds: float) -> None:
        """Wait until nobody is left who could add to its last words, but no longer than that."""
        self._words.join(seconds)

    def forget_words(self) -> None:
        """What it wrote so far was not its last."""
        self._tail.clear()

    def interrupt(self, by_message: Callable[[], None]) -> None:
        """As Jupyter does: SIGINT to its process group, or a message where its kernelspec asks for one."""
        if self._by_message:
            by_message()
        elif self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGINT)

    def nudge(self) -> None:
        """What follows an interrupt: see `NUDGE`. A kernel without a guest ignores it."""
        if not self._by_message and self._process.poll() is None:
            os.kill(self._process.pid, NUDGE)

    def _read_last_words(self, read_end: int) -> None:
        while data := os.read(read_end, 65536):
            self._tail += data
            del self._tail[:-_LAST_BYTES]


def end_like(returncode: int) -> NoReturn:
    """End this process as another one ended, so that whoever waits for it is told the truth."""
    if returncode < 0:
        # The one that died has left its core.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if -returncode != signal.SIGKILL:
            signal.signal(-returncode, signal.SIG_DFL)
        os.kill(os.getpid(), -returncode)
    os._exit(returncode & 0xFF)


def _filled_in(command: KernelCommand, connection_file: str) -> list[str]:
    places = {"{connection_file}": connection_file, "{resource_dir}": command.resource_dir, "{prefix}": sys.prefix}
    argv = list(command.argv)
    for place, text in places.items():
        argv = [word.replace(place, text) for word in argv]
    # A kernelspec that was installed into an environment says "python" for that environment's.
    return [sys.executable if argv[0] in ("python", "python3") else argv[0], *argv[1:]]
