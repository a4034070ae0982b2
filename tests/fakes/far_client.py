"""A client without an executor: each submitted run plays the next script, in the shape of `farcell.client.Client`."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from farcell.follow import Batch, Changed, Event
from farcell_protocol.errors import ErrorInfo, FarcellError, NotFound, SessionEnded
from farcell_protocol.frames import End, Frame, Message, ValueBack
from farcell_protocol.ids import DeviceId, NodeId, RunId, SessionId, WorkerId
from farcell_protocol.messages.api import (
    DeviceView,
    ExecutorView,
    NodeView,
    RunRequest,
    RunView,
    SessionView,
    WorkerView,
)
from farcell_protocol.messages.cells import Cell, Told, decode_cell
from farcell_protocol.values import digest_of

Step = Event | FarcellError | Callable[[], object] | None
"""An event, an error to raise, something to do first, or nothing happening within the time waited."""
Script = Callable[[RunRequest], Iterable[Step]]

H100 = DeviceView(DeviceId("d-1"), NodeId("n-1"), "H100", 0, memory_bytes=80 * 2**30, simulated=True)
WORKER = WorkerView(WorkerId("w-1"), NodeId("n-1"), "here", [H100], pid=4242)


def view(
    request: RunRequest, state: Any = "running", session: str = "s-000000000001", outcome: Any = None, **more: Any
) -> RunView:
    """A view of a run in some state."""
    more = {"worker": WORKER, "started": 100.0} | ({"ended": 101.2} if state == "ended" else {}) | more
    return RunView(
        request.run, SessionId(session), state, request.title, request.gpu, request.notebook, request.cell_id,
        created=99.0, outcome=outcome, **more,
    )  # fmt: skip


def plays(
    *frames: Frame, session: str = "s-000000000001", outcome: Any = "ok", reason: ErrorInfo | None = None
) -> Script:
    """A run that starts, sends these frames with its end in one batch, and ends."""

    def script(request: RunRequest) -> Iterable[Step]:
        yield Changed(view(request, session=session))
        yield Batch(1, [*frames, End(outcome, reason)])
        yield Changed(view(request, "ended", session, outcome, reason=reason))

    return script


def stream(text: str, name: str = "stdout") -> Message:
    """A `stream` message."""
    return Message("stream", {"name": name, "text": text})


def error(ename: str = "ValueError", evalue: str = "no") -> Message:
    """An `error` message."""
    return Message("error", {"ename": ename, "evalue": evalue, "traceback": ["far traceback", f"{ename}: {evalue}"]})


def value(name: str, data: bytes, *, pieces: int = 1) -> list[Frame]:
    """A value in so many pieces."""
    size = -(-len(data) // pieces)
    cuts = [data[start : start + size] for start in range(0, len(data), size)]
    last = len(cuts) - 1
    return [ValueBack(name, "value", cut, more=at < last, digest=digest_of(data)) for at, cut in enumerate(cuts)]


class ScriptedFollower:
    """Plays a script, one step per `next`."""

    def __init__(self, run: RunId, steps: Iterable[Step]) -> None:
        self.run, self.last, self.closed, self.left = run, 0, False, False
        self._steps = iter(steps)

    def next(self, timeout_s: float | None) -> Event | None:
        step = next(self._steps)
        if isinstance(step, FarcellError):
            raise step
        if callable(step):
            step()
            return None
        return step

    def close(self) -> None:
        self.closed = True

    def leave_the_rest(self) -> None:
        self.left = True


class ScriptedClient:
    """Remembers what was asked of it; `scripts` are played in turn, the last one for ever."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = deque(scripts or [plays()])
        self.requests: list[RunRequest] = []
        self.said: list[tuple[str, str]] = []
        self.told: list[tuple[RunId, Told]] = []
        self.ended_sessions: dict[str, ErrorInfo | None] = {}
        self.known_runs: dict[RunId, tuple[RunView, Script]] = {}
        self.node_views = [NodeView(NodeId("n-1"), "here", "connected", True, 100.0, devices=[H100])]
        self.known_sessions: list[SessionView] = []

    def cell(self, at: int = -1) -> Cell:
        """The cell of a request."""
        return decode_cell(self.requests[at].payload)

    def submit(self, request: RunRequest) -> ScriptedFollower:
        self.requests.append(request)
        if request.expects in self.ended_sessions:
            return ScriptedFollower(request.run, [SessionEnded(f"session {request.expects} has ended")])
        script = self.scripts.popleft() if len(self.scripts) > 1 else self.scripts[0]
        return ScriptedFollower(request.run, script(request))

    def follow(self, run: RunId, after: int = 0) -> ScriptedFollower:
        view_, script = self.known_runs[run]
        request = RunRequest(run, b"", None, view_.gpu, view_.notebook)  # type: ignore[arg-type]  # scripts read no more
        return ScriptedFollower(run, script(request))

    def interrupt(self, run: RunId) -> None:
        self.said.append(("interrupt", run))

    def cancel(self, run: RunId, grace_s: float = 2.0) -> None:
        self.said.append(("cancel", run))

    def tell(self, run: RunId, told: Told) -> None:
        self.told.append((run, told))

    def session(self, session: SessionId) -> SessionView:
        self.said.append(("session", session))
        for known in self.known_sessions:
            if known.session == session:
                return known
        ended = session in self.ended_sessions
        reason = self.ended_sessions.get(session)
        return SessionView(session, "", "nb", "H100", "ended" if ended else "ready", 99.0, expires=400.0, reason=reason)

    def run(self, run: RunId) -> RunView:
        if run not in self.known_runs:
            raise NotFound(f"no run {run}")
        return self.known_runs[run][0]

    def runs(self) -> list[RunView]:
        return [known for known, _ in self.known_runs.values()]

    def status(self) -> ExecutorView:
        return ExecutorView("0.1.0", 1, 1, 90.0)

    def nodes(self) -> list[NodeView]:
        return self.node_views

    def sessions(self) -> list[SessionView]:
        return self.known_sessions

    def stop_session(self, session: SessionId, grace_s: float = 2.0) -> None:
        self.said.append(("stop", session))

    def simulate(self, gpus: str) -> list[DeviceView]:
        self.said.append(("simulate", gpus))
        return [H100]

    def output_pieces(self, run: RunId) -> Iterator[bytes]:
        yield from (b"what it ", b"printed\n")

    def close(self) -> None:
        self.said.append(("close", ""))
