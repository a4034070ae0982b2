"""A machine with a clock to move and short ways to say what happens to it; it checks itself after every event."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from farcell_executor.model import Device, Node, NodeState, Run, RunState, Session, Worker
from farcell_executor.scheduling import events
from farcell_executor.scheduling.actions import Action, EndLog, Save
from farcell_executor.scheduling.machine import Machine
from farcell_protocol.errors import Cancelled, ErrorInfo, WorkerKilled
from farcell_protocol.frames import Outcome
from farcell_protocol.ids import DeviceId, NodeId, RunId, SessionId, WorkerId
from farcell_protocol.messages.api import Interpreter, RunRequest
from farcell_protocol.messages.keeping import Exit, ProcessSpec, RunReport, WorkerReport

CANCELLED = Cancelled("somebody cancelled it").info()
KILLED = WorkerKilled("killed by signal 11 (segmentation fault)", signal=11).info()


def request(run: str, gpu: str = "", **more: Any) -> RunRequest:
    python = Interpreter("/usr/bin/python3", more.pop("python", "3.11.7"))
    return RunRequest(RunId(run), b"cell", more.pop("interpreter", python), gpu=gpu, **more)


def devices(node: str, model: str, how_many: int, **more: Any) -> tuple[Device, ...]:
    return tuple(Device(DeviceId(f"{model}-{n}"), NodeId(node), model, n, **more) for n in range(how_many))


def a_node(name: str = "n", *devices: Device, boot: str = "boot", keeper: str = "keeper", **more: Any) -> Node:
    embedded = more.pop("embedded", True)
    return Node(NodeId(name), boot, keeper, name, embedded, "3.11.7", NodeState.CONNECTED, 0.0, devices, **more)


def report(
    worker: str, state: Any = "ready", error: ErrorInfo | None = None, held: tuple[str, ...] = ()
) -> WorkerReport:
    spec = ProcessSpec("python3", "/", devices=[DeviceId(device) for device in held])
    ended = Exit(error or KILLED) if state == "exited" else None
    return WorkerReport(WorkerId(worker), state, spec, pid=4711, start_ticks=5, isolation="namespaces", exit=ended)


def run_report(run: str, worker: str, last: int = 3, ended: bool = False) -> RunReport:
    return RunReport(RunId(run), WorkerId(worker), last, 0, ended)


@dataclass
class Fleet:
    """The machine under test. Every method returns what is asked for besides the saves, in order."""

    machine: Machine = field(default_factory=lambda: numbered(Machine))
    now: float = 1000.0
    saved: list[Run | Session | Worker | Node] = field(default_factory=list)  # by the last event
    store: dict[str, Run | Session | Worker | Node] = field(default_factory=dict)

    def handle(self, event: events.Event) -> list[Action]:
        found = self.machine.handle(event, self.now)
        self.machine.validate()
        saves = [action for action in found if isinstance(action, Save)]
        assert found[: len(saves)] == saves, "saves come first"
        self.saved = [save.noun for save in saves]
        self.store |= {noun.id: noun for noun in self.saved}
        return found[len(saves) :]

    def join(self, *devices: Device, **more: Any) -> list[Action]:
        workers, runs = more.pop("workers", ()), more.pop("runs", ())
        return self.handle(events.NodeConnected(a_node(more.pop("name", "n"), *devices, **more), workers, runs))

    def handle_disconnect(self, node: str = "n") -> list[Action]:
        return self.handle(events.NodeDisconnected(NodeId(node)))

    def submit(self, run: str, gpu: str = "cpu", owner: str = "ada", **more: Any) -> list[Action]:
        return self.handle(events.RunSubmitted(owner, request(run, gpu, **more)))

    def ready(self, worker: str) -> list[Action]:
        return self.handle(events.WorkerChanged(report(worker), self.machine.workers[WorkerId(worker)].node))

    def exited(self, worker: str, error: ErrorInfo = KILLED, node: str = "n") -> list[Action]:
        return self.handle(events.WorkerChanged(report(worker, "exited", error), NodeId(node)))

    def ended(self, run: str, outcome: Outcome = "ok", reason: ErrorInfo | None = None) -> list[Action]:
        return self.handle(events.RunEnded(RunId(run), outcome, reason))

    def cancel(self, run: str, grace_s: float = 2.0, reason: ErrorInfo = CANCELLED) -> list[Action]:
        return self.handle(events.RunStopRequested(RunId(run), reason, grace_s))

    def interrupt(self, run: str) -> list[Action]:
        return self.handle(events.RunInterruptRequested(RunId(run)))

    def tick(self, seconds: float = 0.0) -> list[Action]:
        self.now += seconds
        return self.handle(events.Ticked())

    def running(self, run: str = "r1", gpu: str = "cpu", **more: Any) -> str:
        """Submit a run and bring it to run in a worker of its own; answers with that worker."""
        self.submit(run, gpu, **more)
        worker = self.run(run).worker or self.session_of(run).worker
        assert worker is not None
        if self.run(run).state is not RunState.RUNNING:
            self.ready(worker)
        return worker

    def finish(self, actions: list[Action]) -> list[Action]:
        """Answer each `EndLog` as the driver does; what follows from it."""
        wanted: list[Action] = []
        for action in actions:
            if isinstance(action, EndLog):
                wanted += self.ended(action.run, action.outcome, action.reason)
        return wanted

    def run(self, run: str) -> Run:
        """As it was last saved, so that ended ones are found too."""
        found = self.store[run]
        assert isinstance(found, Run)
        return found

    def session_of(self, run: str) -> Session:
        found = self.store[self.run(run).session]
        assert isinstance(found, Session)
        return found

    def worker(self, worker: str) -> Worker:
        found = self.store[worker]
        assert isinstance(found, Worker)
        return found

    def restart(self) -> None:
        """Another machine that begins from what this one saved."""
        living = [noun for noun in self.store.values() if getattr(noun, "state", "") not in ("ended", "gone")]
        self.machine = numbered(Machine, start=100 + len(self.store))
        self.machine.restore(
            [noun for noun in living if isinstance(noun, Run)],
            [noun for noun in living if isinstance(noun, Session)],
            [noun for noun in living if isinstance(noun, Worker)],
            [noun for noun in living if isinstance(noun, Node)],
        )


GRACE_S = 600.0


def numbered(kind: type[Machine], start: int = 1, session: str = "s") -> Machine:
    sessions, workers = count(start), count(start)
    return kind(
        node_grace_s=GRACE_S,
        new_session_id=lambda: SessionId(f"{session}{next(sessions)}"),
        new_worker_id=lambda: WorkerId(f"w{next(workers)}"),
    )
