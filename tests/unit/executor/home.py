"""A data directory with the processes that were started on it, for tests of the commands and of the daemon."""

import os
import select
import subprocess
import sys
from dataclasses import dataclass, field

from farcell_protocol.places import Places

READY_S = 20.0


@dataclass
class Home:
    """A data directory and the processes that were started on it."""

    where: Places
    started: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("FARCELL_", "XDG_"))}
        return kept | {"FARCELL_DATA": str(self.where.data)}

    def daemon(self, *arguments: str, inherited: tuple[int, ...] = ()) -> "subprocess.Popen[bytes]":
        """Start the daemon and wait until it is ready or has left."""
        ready, said = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-m", "farcell_executor", "--embedded", "--ready-fd", str(said), *arguments],
            env=self.environment(),
            pass_fds=(said, *inherited),
        )
        os.close(said)
        self.started.append(process)
        assert select.select([ready], [], [], READY_S)[0], self.where.executor_log.read_text()
        os.read(ready, 1)
        os.close(ready)
        return process

    def farcell(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "farcell_executor.cli", *arguments]
        return subprocess.run(command, env=self.environment(), capture_output=True, text=True, timeout=30, check=False)
