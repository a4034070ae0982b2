"""What `farcell status` shows, as rich tables. Times of the clock rather than ages, so that nothing changes by itself."""

import time

from rich.console import Console
from rich.table import Table

from farcell_protocol.messages.api import (
    DeviceView,
    ExecutorView,
    NodeView,
    RunView,
    SessionView,
    TokenView,
    WorkerView,
)

_GIB = 2**30


def show_status(
    console: Console,
    address: str,
    view: ExecutorView,
    nodes: list[NodeView],
    sessions: list[SessionView],
    runs: list[RunView],
) -> None:
    """Everything on one screen."""
    console.print(
        f"farcell {view.version} at [bold]{address}[/bold]"
        + (f", process {view.pid}, data in {view.data_directory}" if view.pid else "")
        + (", [yellow]leaving[/yellow]" if view.draining else ""),
        soft_wrap=True,
    )
    console.print(_nodes(nodes))
    if sessions:
        console.print(_sessions(sessions))
    if runs:
        console.print(_runs(runs))


def _nodes(nodes: list[NodeView]) -> Table:
    table = Table("node", "state", "device", "memory", "held by", title="Nodes", title_justify="left")
    for node in nodes:
        name = node.name + (" (this host)" if node.embedded else "")
        state = node.state if node.state == "connected" else f"unknown since {_clock(node.last_seen)}"
        table.add_row(name, state, "cpu", "", "")
        for device in node.devices:
            memory = "" if device.memory_bytes is None else f"{device.memory_bytes / _GIB:.0f} GiB"
            table.add_row("", "", device_name(device), memory, device.session or device.trouble)
    return table


def _sessions(sessions: list[SessionView]) -> Table:
    table = Table("session", "name", "GPU", "state", "worker", "runs", title="Sessions", title_justify="left")
    for session in sessions:
        state = session.state if session.expires is None else f"{session.state} until {_clock(session.expires)}"
        runs = f"{session.running or ''} +{session.queued}" if session.queued else session.running or ""
        name = session.name or session.notebook
        table.add_row(session.session, name, session.gpu, state, _worker(session.worker), runs)
    return table


def _runs(runs: list[RunView]) -> Table:
    table = Table("run", "created", "GPU", "state", "title", title="Runs", title_justify="left")
    for run in runs:
        state = run.outcome or run.state
        why = f": {run.why}" if run.why else ""
        table.add_row(run.run, _clock(run.created), run.gpu or "any", f"{state}{why}", run.title)
    return table


def device_name(device: DeviceView) -> str:
    """A device's model; a simulated one says so."""
    return f"{device.model} (simulated)" if device.simulated else device.model


def _worker(worker: WorkerView | None) -> str:
    if worker is None:
        return ""
    return f"{worker.node_name}, pid {worker.pid}" if worker.pid else worker.node_name


def _clock(when: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(when))


def tokens_table(tokens: list[TokenView]) -> Table:
    """All tokens with what is known of them."""
    table = Table("token", "user", "scope", "note", "created", "state")
    for token in tokens:
        state = "revoked" if token.revoked else f"until {_date(token.expires)}" if token.expires else "good"
        table.add_row(token.token, token.user, token.scope, token.note, _date(token.created), state)
    return table


def _date(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(when))
