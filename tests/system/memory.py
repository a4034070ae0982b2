"""The memory of the processes on a cell's road, as the operating system counts it."""

from dataclasses import dataclass
from pathlib import Path

from tests.system.installation import Installation
from tests.system.notebooks import Notebook

MiB = 2**20


def _status_bytes(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no {field}")


@dataclass
class Peaks:
    """Each process's peak since now, against what it holds now. All in bytes of resident memory."""

    pids: dict[str, int]

    def __post_init__(self) -> None:
        self._before = {name: _status_bytes(pid, "VmRSS") for name, pid in self.pids.items()}
        for pid in self.pids.values():
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew

    def growth(self) -> dict[str, int]:
        """By how much each process has grown at its largest."""
        return {name: _status_bytes(pid, "VmHWM") - self._before[name] for name, pid in self.pids.items()}

    def growth_mib(self) -> dict[str, float]:
        """The same, to be read."""
        return {name: round(size / MiB, 1) for name, size in self.growth().items()}


def on_the_road(home: Installation, notebook: Notebook) -> Peaks:
    """Those of the kernel, the executor, the keeper and the one worker, which must have run a cell before."""
    (worker,) = home.worker_pids()
    return Peaks({"kernel": notebook.pid, "executor": home.executor_pid, "keeper": home.keeper_pid, "worker": worker})
