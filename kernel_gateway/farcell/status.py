"""The one status line of a cell: what it says (pure), and when it is worth showing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from farcell_protocol.errors import ErrorInfo
from farcell_protocol.ids import RunId
from farcell_protocol.messages.api import DeviceView, RunView, WorkerView

SHOW_AFTER_S = 0.1
"""A cell that says nothing and ends within this time has one message for its status, not three."""

REFRESH_S = 1.0
"""How often a line with a running time is drawn again."""

STARTING_EXECUTOR = "Starting the embedded executor…"

Tone = Literal["busy", "quiet", "bad"]


@dataclass(frozen=True)
class Mark:
    """What a line tells a front end of a run: that all of it has been shown, or that the cell was left before its
    end."""

    run: RunId
    state: Literal["ended", "left"]


@dataclass(frozen=True)
class Line:
    """A status line: `busy` while something goes on, `quiet` at a good end, `bad` at any other."""

    text: str
    tone: Tone = "busy"
    mark: Mark | None = field(default=None, compare=False)
    routine: bool = field(default=False, compare=False)
    """Says only what a page that follows the run shows in the cell's header anyway."""


class Screen(Protocol):
    """Where a status line is shown: one line per cell, drawn again in place."""

    def draw_line(self, line: Line) -> None:
        """Show the line, or replace what it said."""


def devices_text(devices: list[DeviceView]) -> str:
    """ "H100 (simulated)", "2x A100", "CPU"."""
    if not devices:
        return "CPU"
    count = f"{len(devices)}x " if len(devices) > 1 else ""
    simulated = " (simulated)" if any(device.simulated for device in devices) else ""
    return f"{count}{devices[0].model}{simulated}"


def where_text(worker: WorkerView | None) -> str:
    """What a run's worker runs on."""
    return devices_text(worker.devices) if worker is not None else ""


def seconds_text(seconds: float) -> str:
    """A duration for people: "0.3 s", "12 s", "3 min 05 s", "2 h 03 min"."""
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def progress_line(view: RunView | None, elapsed_s: float) -> Line:
    """What a run is doing, `elapsed_s` after it entered its present state."""
    if view is None:
        return Line("sending…")
    if view.state == "queued":
        place = f", place {view.place}" if view.place else ""
        return Line(f"queued: {view.why or 'waiting for its turn'}{place} · {seconds_text(elapsed_s)}", routine=True)
    where = where_text(view.worker)
    if view.state == "starting":
        return Line(
            f"starting{f' on {where}' if where else f': {view.why}' if view.why else ''} · {seconds_text(elapsed_s)}",
            routine=True,
        )
    return Line(f"running on {where or 'a worker'} · {seconds_text(elapsed_s)}", routine=True)


def end_line(run: RunId, view: RunView | None, outcome: str, seconds: float, reason: ErrorInfo | None = None) -> Line:
    """The line that stays: where it ran, for how long, its id, and unless all went well how it ended."""
    where = where_text(view.worker if view else None)
    parts = [where, seconds_text(seconds), f"run {run}"]
    if outcome not in ("ok", "error"):
        parts.insert(0, f"{outcome}: {reason.message}" if reason else outcome)
    tone: Tone = "quiet" if outcome in ("ok", "error") else "bad"
    return Line(" · ".join(part for part in parts if part), tone, Mark(run, "ended"), tone == "quiet")


class StatusLine:
    """Draws a cell's line no earlier than useful, and no more often than it changes.

    Its owner calls `tick` regularly, `reveal` before the first output, and `finish` once."""

    def __init__(self, screen: Screen, clock: Callable[[], float]) -> None:
        self._screen = screen
        self._clock = clock
        self._born = self._drawn_at = clock()
        self._drawn: Line | None = None
        self.finished = False

    def tick(self, line: Line) -> None:
        """What the line would say now; drawn if it is time to."""
        now = self._clock()
        if self.finished or (self._drawn is None and now - self._born < SHOW_AFTER_S):
            return
        if self._drawn is None or now - self._drawn_at >= REFRESH_S or _stem(line) != _stem(self._drawn):
            self._draw(line, now)

    def reveal(self, line: Line) -> None:
        """Something else is about to be shown: the line goes above it."""
        if self._drawn is None:
            self._draw(line, self._clock())

    def finish(self, line: Line) -> None:
        """The last thing it says."""
        if not self.finished:
            self._draw(line, self._clock())
            self.finished = True

    def _draw(self, line: Line, now: float) -> None:
        if line != self._drawn:
            self._screen.draw_line(line)
        self._drawn, self._drawn_at = line, now


def _stem(line: Line) -> str:
    return line.text.rpartition(" · ")[0]
