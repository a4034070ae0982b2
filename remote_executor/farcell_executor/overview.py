"""`farcell status`: executor, devices, sessions and runs as tables for a terminal."""

import time
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from farcell_executor.calls import Caller
from farcell_protocol.messages.api import ExecutorView, NodeView, RunView, SessionView

_RUNS_SHOWN = 10


def show(caller: Caller) -> None:
    """Ask an executor and print what it says.

    Raises:
        FarcellError: it does not answer, or refuses to.
    """
    console = Console()
    executor = caller.ask("GET", "/status", ExecutorView)
    console.print(f"Executor {executor.version} at {caller.address}" + (", leaving" if executor.draining else ""))
    nodes = caller.ask("GET", "/nodes", list[NodeView])
    console.print(_table(("node", "device", "memory", "held by"), _device_rows(nodes)))
    for node in nodes:
        for note in node.notes:
            console.print(f"{node.name}: {note}", style="dim", markup=False)
    sessions = [one for one in caller.ask("GET", "/sessions", list[SessionView]) if one.state != "ended"]
    console.print(_table(("session", "notebook", "GPU", "state", "released if unused"), map(_session_row, sessions)))
    runs = caller.ask("GET", f"/runs?limit={_RUNS_SHOWN}", list[RunView])
    console.print(_table(("run", "state", "GPU", "cell", "why"), map(_run_row, reversed(runs))))


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _device_rows(nodes: list[NodeView]) -> Iterable[tuple[str, ...]]:
    for node in nodes:
        name = node.name if node.state == "connected" else f"{node.name} (no answer)"
        if not node.devices:
            yield name, "cpu only", "", ""
        for device in node.devices:
            model = f"{device.model} (simulated)" if device.simulated else device.model
            memory = f"{device.memory_bytes / 2**30:.0f} GiB" if device.memory_bytes else ""
            yield name, model, memory, device.trouble or device.session or "free"


def _session_row(session: SessionView) -> tuple[str, ...]:
    released = "" if session.expires is None else f"at {_clock(session.expires)}"
    return session.session, session.name or session.notebook, session.gpu, session.why or session.state, released


def _clock(at: float) -> str:
    """A time of day, which stays the same from one look to the next; with its date when that is not today's."""
    when, today = time.localtime(at), time.localtime()
    same_day = (when.tm_year, when.tm_yday) == (today.tm_year, today.tm_yday)
    return time.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M:%S", when)


def _run_row(run: RunView) -> tuple[str, ...]:
    return run.run, run.outcome or run.state, run.gpu or "any", run.title, run.why
