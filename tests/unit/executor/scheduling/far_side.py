"""The other side of the machine, as small as it can be: keepers that obey, links that break, logs and a store.

What a keeper promises is kept here to the letter: a worker id is started once, a run id executed once, the `End`
of a run goes out before the exit of its worker. What it is told while its link is down is lost.
"""

from collections import deque
from dataclasses import dataclass, field

from farcell_executor.model import Node, Run, RunState, Session, Worker
from farcell_executor.scheduling import events
from farcell_executor.scheduling.actions import (
    Action,
    Dispatch,
    EndLog,
    ForgetWorker,
    Interrupt,
    Resume,
    Save,
    StartWorker,
    StopWorker,
)
from farcell_executor.scheduling.machine import Machine
from farcell_protocol.errors import ErrorInfo
from farcell_protocol.frames import Outcome
from farcell_protocol.ids import RunId
from farcell_protocol.messages.keeping import RunReport, WorkerReport
from tests.unit.executor.scheduling.fleet import KILLED, a_node, devices, numbered, report, run_report

DEVICES = {
    "n": devices("n", "H100", 3),
    "m": devices("m", "T4", 1) + devices("m", "H100", 2),
}


@dataclass
class Keeper:
    """One keeper's life on a node: its workers with their devices, and the runs it was given."""

    name: str
    workers: dict[str, str] = field(default_factory=dict)  # id -> starting, ready, exited
    held: dict[str, tuple[str, ...]] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)  # unacknowledged: id -> worker
    ends: dict[str, tuple[Outcome, ErrorInfo | None]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def living(self) -> list[str]:
        return [worker for worker, state in self.workers.items() if state != "exited"]

    def start(self, worker: str, held: tuple[str, ...]) -> None:
        if worker in self.seen:
            return
        for other in self.living():
            assert not set(held) & set(self.held[other]), f"{worker} and {other} are on the same device"
        self.seen.add(worker)
        self.workers[worker] = "starting"
        self.held[worker] = held

    def execute(self, worker: str, run: str) -> None:
        if run in self.seen:
            return
        self.seen.add(run)
        self.runs[run] = worker
        if self.workers.get(worker) != "ready":
            self.ends[run] = ("lost", KILLED)

    def kill(self, worker: str, reason: ErrorInfo) -> None:
        self.workers[worker] = "exited"
        for run, where in self.runs.items():
            if where == worker and run not in self.ends:
                self.ends[run] = ("lost", reason)

    def forget(self, worker: str) -> None:
        if self.workers.get(worker) == "exited":
            del self.workers[worker], self.held[worker]


class FarSide:
    """Drives a machine the way the driver does, and keeps what must never be broken."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.lives = 1
        self.machine = numbered(Machine, session="s-")
        self.store: dict[str, Run | Session | Worker | Node] = {}
        self.logs: dict[str, tuple[Outcome, ErrorInfo | None]] = {}
        self.submitted: list[str] = []
        self.ended: set[str] = set()
        self.handed_to: dict[str, str] = {}
        self.keepers = {name: Keeper("k0") for name in DEVICES}
        self.boots = dict.fromkeys(DEVICES, "b0")
        self.connected = dict.fromkeys(DEVICES, False)
        self.slow = dict.fromkeys(DEVICES, False)
        self.on_the_way: dict[str, deque[Action]] = {name: deque() for name in DEVICES}
        self.inbox: deque[events.Event] = deque()
        self.busy = False

    # ---- the driver ------------------------------------------------------------------------------

    def feed(self, event: events.Event, *, crash: bool = False) -> None:
        """Have an event handled, and whatever it leads to; with `crash` the executor dies after its first saves."""
        self.inbox.append(event)
        if self.busy:
            return  # said while another is being handled: its turn comes
        self.busy = True
        while self.inbox and not self._handle(self.inbox.popleft(), crash):
            pass
        self.busy = False
        if crash:
            self.restart()

    def _handle(self, event: events.Event, crash: bool) -> bool:
        actions = self.machine.handle(event, self.now)
        self.machine.validate()
        for action in actions:
            if isinstance(action, Save):
                self._save(action.noun)
        for action in [] if crash else actions:
            self._perform(action)
        return crash

    def _save(self, noun: Run | Session | Worker | Node) -> None:
        if isinstance(noun, Run):
            assert noun.id not in self.ended, f"{noun.id} changed after its end"
            if noun.state is RunState.ENDED:
                assert noun.outcome is not None
                self.ended.add(noun.id)
        self.store[noun.id] = noun

    def _perform(self, action: Action) -> None:
        if isinstance(action, EndLog):
            self.log_end(action.run, action.outcome, action.reason)
        elif isinstance(action, Dispatch):
            assert self.handed_to.setdefault(action.run, action.worker) == action.worker, "handed to two workers"
        if not isinstance(action, Save | EndLog) and self.connected[action.node]:
            self.on_the_way[action.node].append(action)
            if not self.slow[action.node]:
                self.arrive(action.node)

    def arrive(self, node: str) -> None:
        """What was sent to the node is obeyed, in the order in which it was sent, by the keeper of now."""
        self.slow[node] = False
        while self.on_the_way[node]:
            self._obey(self.keepers[node], self.on_the_way[node].popleft())

    def _obey(self, keeper: Keeper, action: Action) -> None:
        match action:
            case StartWorker(_, worker, _, held):
                keeper.start(worker, held)
            case Dispatch(node, worker, run):
                keeper.execute(worker, run)
                self.report_ends(node)
            case Resume(node):
                self.report_ends(node)
            case StopWorker(node, worker, _, reason):
                if worker not in keeper.workers:
                    self.feed(events.WorkerChanged(report(worker, "exited"), node))  # "it never was here"
                elif worker in keeper.living():
                    keeper.kill(worker, reason or KILLED)
                    self.report_exit(node, worker)
            case ForgetWorker(_, worker):
                keeper.forget(worker)
            case Interrupt():
                pass  # this user's code ignores it

    def log_end(self, run: str, outcome: Outcome, reason: ErrorInfo | None) -> None:
        """An `End` for the log; the first one stands."""
        outcome, reason = self.logs.setdefault(run, (outcome, reason))
        self.feed(events.RunEnded(RunId(run), outcome, reason))

    def restart(self) -> None:
        """kill -9 and a new executor, which knows what was saved and what the logs say."""
        self.lives += 1
        self.inbox.clear()
        living = [noun for noun in self.store.values() if getattr(noun, "state", "") not in ("ended", "gone")]
        self.machine = numbered(Machine, start=1000 * self.lives, session="s-")
        self.machine.restore(
            [noun for noun in living if isinstance(noun, Run)],
            [noun for noun in living if isinstance(noun, Session)],
            [noun for noun in living if isinstance(noun, Worker)],
            [noun for noun in living if isinstance(noun, Node)],
        )
        for node in DEVICES:
            self._cut(node)
        for run in list(self.machine.runs):
            if run in self.logs:
                self.feed(events.RunEnded(run, *self.logs[run]))
        self.feed(events.Ticked())

    # ---- the nodes -------------------------------------------------------------------------------

    def connect(self, node: str, *, crash: bool = False) -> None:
        """The agent introduces itself with everything its keeper has."""
        self._cut(node)
        self.connected[node] = True
        self.introduce(node, crash=crash)

    def introduce(self, node: str, *, crash: bool = False) -> None:
        """Say everything, also over a link that stands, when the agent had lost its keeper for a moment."""
        keeper = self.keepers[node]
        name = a_node(node, *DEVICES[node], boot=self.boots[node], keeper=keeper.name, embedded=node == "n")
        workers = tuple(self._worker_report(node, worker) for worker in keeper.workers)
        self.feed(events.NodeConnected(name, workers, self._run_reports(keeper)), crash=crash)

    def _worker_report(self, node: str, worker: str) -> WorkerReport:
        keeper = self.keepers[node]
        return report(worker, keeper.workers[worker], held=keeper.held[worker])

    def _run_reports(self, keeper: Keeper) -> tuple[RunReport, ...]:
        return tuple(run_report(run, worker, ended=run in keeper.ends) for run, worker in keeper.runs.items())

    def _cut(self, node: str) -> None:
        self.connected[node] = False
        self.slow[node] = False
        self.on_the_way[node].clear()

    def disconnect(self, node: str) -> None:
        self._cut(node)
        self.feed(events.NodeDisconnected(node))

    def give_up(self, node: str) -> None:
        """An admin removes the node; a connected one is told to stop its workers, then its link is closed."""
        self.feed(events.NodeGivenUp(node))
        self.arrive(node)
        self._cut(node)

    def report_ends(self, node: str) -> None:
        """Frames flow and are acknowledged, so the keeper drops them."""
        keeper = self.keepers[node]
        for run in [run for run in keeper.runs if run in keeper.ends]:
            if self.connected[node]:
                del keeper.runs[run]
                self.log_end(run, *keeper.ends.pop(run))

    def report_exit(self, node: str, worker: str) -> None:
        self.report_ends(node)
        if self.connected[node] and worker in self.keepers[node].workers:
            self.feed(events.WorkerChanged(self._worker_report(node, worker), node))

    def become_ready(self, node: str, worker: str) -> None:
        self.keepers[node].workers[worker] = "ready"
        if self.connected[node]:
            self.feed(events.WorkerChanged(self._worker_report(node, worker), node))

    def crash_worker(self, node: str, worker: str) -> None:
        self.keepers[node].kill(worker, KILLED)
        self.report_exit(node, worker)

    def end_run(self, node: str, run: str, outcome: Outcome) -> None:
        self.keepers[node].ends.setdefault(run, (outcome, None))
        self.report_ends(node)

    def kill_keeper(self, node: str) -> None:
        """A keeper takes its workers and its spool with it."""
        self.keepers[node] = Keeper(f"k{int(self.keepers[node].name[1:]) + 1}")
        if self.connected[node]:
            self.feed(events.KeeperChanged(node, self.keepers[node].name))

    def reboot(self, node: str) -> None:
        self.boots[node] += "'"
        self.keepers[node] = Keeper(f"k{int(self.keepers[node].name[1:]) + 1}")
        if self.connected[node]:
            self.disconnect(node)
