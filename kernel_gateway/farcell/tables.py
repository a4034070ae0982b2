"""What `%gpu` prints: nodes, devices, sessions and runs as plain text. Pure."""

from collections.abc import Iterable, Sequence

from farcell.handles import clock_text, size_text
from farcell.status import where_text
from farcell_protocol.messages.api import DeviceView, ExecutorView, NodeView, RunView, SessionView


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their widest cell."""
    lines = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def executor_text(view: ExecutorView, address: str) -> str:
    """Who answers, and where."""
    draining = ", draining: it takes no new runs" if view.draining else ""
    return f"executor {view.version} (protocol {view.protocol}) at {address}{draining}"


def nodes_text(nodes: Sequence[NodeView]) -> str:
    """Every node with its devices."""
    if not nodes:
        return "no GPU host is connected"
    parts: list[str] = []
    for node in nodes:
        state = "" if node.state == "connected" else f", not heard of since {clock_text(node.last_seen)}"
        parts.append(f"{node.name}{' (embedded)' if node.embedded else ''}{state}: {devices_summary(node.devices)}")
        parts += [f"  note: {note}" for note in node.notes]
    return "\n".join(parts)


def devices_summary(devices: Sequence[DeviceView]) -> str:
    """ "2x H100 (simulated), 1 free"; "no GPU" for none."""
    kinds: dict[str, list[DeviceView]] = {}
    for device in devices:
        kinds.setdefault(device.model + (" (simulated)" if device.simulated else ""), []).append(device)
    return ", ".join(_kind_text(kind, members) for kind, members in kinds.items()) or "no GPU"


def _kind_text(kind: str, members: Sequence[DeviceView]) -> str:
    free = sum(1 for device in members if device.session is None and not device.trouble)
    troubles = "; ".join(sorted({device.trouble for device in members if device.trouble}))
    return f"{len(members)}x {kind}, {free} free" + (f" ({troubles})" if troubles else "")


def devices_table(devices: Sequence[DeviceView]) -> str:
    """One line per device."""
    rows = (
        (
            device.model + (" (simulated)" if device.simulated else ""),
            str(device.index),
            size_text(device.memory_bytes) if device.memory_bytes else "",
            device.trouble or (f"held by {device.session}" if device.session else "free"),
        )
        for device in devices
    )
    return table(("GPU", "index", "memory", "state"), rows)


def sessions_text(sessions: Sequence[SessionView]) -> str:
    """One line per living session."""
    living = [session for session in sessions if session.state != "ended"]
    if not living:
        return "no sessions"
    rows = (
        (
            session.session,
            session.name or "(default)",
            session.notebook,
            session.gpu,
            where_text(session.worker),
            _session_state(session),
        )
        for session in living
    )
    return table(("session", "name", "notebook", "asked for", "on", "state"), rows)


def _session_state(session: SessionView) -> str:
    if session.running is not None:
        return f"running {session.running}" + (f", {session.queued} waiting" if session.queued else "")
    if session.expires is not None:
        return f"idle, released {clock_text(session.expires)}"
    return f"{session.state}{f': {session.why}' if session.why else ''}"


def runs_text(runs: Sequence[RunView]) -> str:
    """One line per run that has not ended."""
    going = [run for run in runs if run.state != "ended"]
    if not going:
        return "no runs"
    rows = ((run.run, run.state, run.notebook, run.title[:40], run.why) for run in going)
    return table(("run", "state", "notebook", "cell", "why"), rows)


def no_device_text(nodes: Sequence[NodeView], asked: str) -> str:
    """What there is, and three lines to paste instead."""
    here = "; ".join(f"{node.name} has {devices_summary(node.devices)}" for node in nodes) or "no GPU host is connected"
    model = asked if asked not in ("any", "cpu") else "H100"
    return (
        f"What there is: {here}.\nPaste one of these instead:\n"
        f"    %%gpu cpu                this cell without a GPU\n"
        f"    %gpu simulate {model.split(',')[0]:<10} a simulated one: runs on the CPU, and says so\n"
        f"    %gpu connect URL         an executor that has GPUs"
    )
