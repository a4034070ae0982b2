"""`make demo`: run the quickstart notebook end to end and show what happens where.

Starts an embedded executor of its own in a temporary data directory, executes every cell of the
notebook in an ordinary local kernel, prints what each cell prints while it runs, and names for every
far cell its run and its worker's process. A random word made at the start travels through a far
cell and back. Afterwards `farcell logs` must print the bytes that the cell showed.
"""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from farcell.client import Client
from farcell.config import embedded_places, target
from farcell_protocol.messages.api import RunView

NOTEBOOK = Path(__file__).parent.parent / "examples" / "notebooks" / "quickstart.ipynb"
CELL_TIMEOUT_S = 60


class Shown(NotebookClient):
    """Executes a notebook and prints each message of a cell as it arrives."""

    def process_message(self, msg: dict[str, Any], cell: nbformat.NotebookNode, cell_index: int) -> Any:
        """Print `msg`, then let nbclient put it into the cell."""
        content = msg["content"]
        if msg["msg_type"] == "stream":
            self.printed.append(content["text"])
            sys.stdout.write(content["text"])
        elif msg["msg_type"] in ("display_data", "execute_result"):
            if "image/png" in content["data"]:
                print(f"[a plot: {len(content['data']['image/png']) * 3 // 4:,} bytes of PNG]")
            elif not content.get("transient", {}).get("display_id"):
                print(content["data"].get("text/plain", ""))
        elif msg["msg_type"] == "error":
            print("\n".join(content["traceback"]))
        sys.stdout.flush()
        return super().process_message(msg, cell, cell_index)

    printed: list[str]


def pid_namespace(pid: int | str) -> int:
    """The inode of a process's pid namespace, as `ls -l /proc/PID/ns/pid` shows it."""
    return os.stat(f"/proc/{pid}/ns/pid").st_ino


def main() -> int:
    """Run the demonstration; the exit status says whether all of it came true."""
    with tempfile.TemporaryDirectory(prefix="farcell-demo-", ignore_cleanup_errors=True) as data:
        os.environ["FARCELL_DATA"] = data
        os.environ["FARCELL_NOTEBOOK"] = NOTEBOOK.name
        # IPython and matplotlib leave folders there for a user without a home that can be written.
        os.environ["TMPDIR"] = tempfile.tempdir = data
        # The demonstration shows its own executor, whatever the user's shell points at.
        for name in ("FARCELL_URL", "FARCELL_TOKEN"):
            os.environ.pop(name, None)
        client = Client(target(os.environ))
        try:
            return demonstrate(client)
        finally:
            client.close()
            leave_nothing()


def leave_nothing() -> None:
    """End executor, keeper and workers, wait until they have gone, and remove their sockets' folder."""
    farcell("stop", check=False)
    # With an XDG runtime directory, or a long path of temporary files, it lies outside of the data directory.
    shutil.rmtree(embedded_places(os.environ).runtime, ignore_errors=True)


def farcell(*arguments: str, check: bool = True) -> bytes:
    """Run `farcell ARGUMENTS`; what it printed."""
    command = [sys.executable, "-m", "farcell_executor.cli", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, check=check, timeout=60).stdout


def demonstrate(client: Client) -> int:
    """Execute the notebook, report on each far cell, and compare its log with what was shown."""
    word = secrets.token_hex(8)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = f'word = "{word}"'
    runner = Shown(notebook, timeout=CELL_TIMEOUT_S, resources={"metadata": {"path": str(NOTEBOOK.parent)}})
    seen: set[str] = set()
    failures = 0
    begun = time.monotonic()
    with runner.setup_kernel():
        kernel_pid = runner.km.provisioner.pid
        print(f"The notebook's own kernel: pid {kernel_pid}, pid namespace {pid_namespace(kernel_pid)}")
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                continue
            print("\n" + "\n".join(f"    | {line}" for line in cell.source.splitlines()))
            runner.printed = []
            runner.execute_cell(cell, index)
            for run in client.runs():
                if run.run not in seen:
                    seen.add(run.run)
                    failures += not report(run, "".join(runner.printed), kernel_pid)
    far = next(c for c in notebook.cells if c.source.startswith("%%gpu cpu"))
    travelled = any(word in output.get("text", "") for output in far.outputs)
    print(f"\nThe word {word!r} went to a far cell and came back: {'yes' if travelled else 'NO'}")
    print(f"{len(seen)} far cells in {time.monotonic() - begun:.1f} s with the local kernel's start.")
    return 0 if travelled and len(seen) >= 3 and not failures else 1


def report(run: RunView, shown: str, kernel_pid: int) -> bool:
    """Say where a run executed and whether its log holds the bytes that the cell showed."""
    worker = run.worker
    if worker is None or worker.pid is None:
        print(f"--- run {run.run}: no worker is known for it", file=sys.stderr)
        return False
    same = shown.encode() in farcell("logs", run.run)
    elsewhere = worker.pid != kernel_pid and worker.pid_namespace != pid_namespace(kernel_pid)
    devices = ", ".join(d.model + (" (simulated)" if d.simulated else "") for d in worker.devices) or "cpu"
    print(
        f"--- run {run.run} on {devices}: worker pid {worker.pid}, pid namespace {worker.pid_namespace}"
        f"{'' if elsewhere else f' (isolation: {worker.isolation})'};"
        f" `farcell logs {run.run}` prints the same {len(shown.encode()):,} bytes: {'yes' if same else 'NO'}"
    )
    return same and worker.pid != kernel_pid


if __name__ == "__main__":
    sys.exit(main())
