"""The living nouns with their indexes, and what the event being handled asks for.

The one place where the machine's state changes: every change goes through `put`, which keeps the
indexes, the claims and the deadlines right and notes the `Save`. What has ended leaves memory here.
"""

import heapq
import math
from collections import OrderedDict
from collections.abc import Iterator

from farcell_executor.model import Node, NodeState, Run, RunState, Session, SessionState, Worker, WorkerState
from farcell_executor.scheduling.actions import Action, ForgetWorker, Save
from farcell_protocol.ids import DeviceId, NodeId, RunId, SessionId, WorkerId

Claim = tuple[NodeId, DeviceId]
"""Device ids are unique on their node only."""

REMEMBERED_RUNS = 10_000
"""How many ended runs are remembered by id, so that a request sent twice is still one run."""


Timed = Run | Session | Node
"""What something is due for when time has passed."""


def deadline(noun: Run | Session) -> float | None:
    """When this noun needs a `Ticked`: derived from what is stored, so a restart loses no timer."""
    if isinstance(noun, Session):
        if noun.state is not SessionState.READY or noun.idle_since is None:
            return None
        return noun.idle_since + noun.scaledown_window_s
    if noun.state is not RunState.RUNNING or noun.ending:
        return None
    if noun.stop_reason is None and noun.force_at is None:
        limit = noun.request.timeout_s
        return None if limit is None or noun.started is None else noun.started + limit
    return noun.force_at


class Books:
    """All that the rules read, and all that they change, while they handle one event."""

    def __init__(self, node_grace_s: float = math.inf) -> None:
        self.node_grace_s = node_grace_s
        self.runs: dict[RunId, Run] = {}
        self.sessions: dict[SessionId, Session] = {}
        self.workers: dict[WorkerId, Worker] = {}
        self.nodes: dict[NodeId, Node] = {}
        self.claims: dict[Claim, WorkerId] = {}
        self.strays: set[tuple[NodeId, WorkerId]] = set()  # none of ours, being ended, still on its devices
        self.unsaid: set[RunId] = set()  # to be interrupted when their node can be told
        self.places: dict[SessionId, int] = {}  # of the waiting sessions, from 1
        self.touched: dict[SessionId, None] = {}  # sessions whose queue may have to move
        self.line_moved = False  # somebody waiting may be placed now, or has another place
        self._runs_of: dict[SessionId, dict[RunId, None]] = {}
        self._by_key: dict[tuple[str, str], SessionId] = {}
        self._ended: OrderedDict[RunId, None] = OrderedDict()
        self._deadlines: list[tuple[float, str, str]] = []
        self._began = -math.inf  # before this nobody here could have heard of a node
        self._saves: dict[str, Run | Session | Worker | Node] = {}
        self._asked: list[Action] = []

    # ---- changing --------------------------------------------------------------------------------

    def put(self, noun: Run | Session | Worker | Node) -> None:
        """Take the new state of a noun, and have it saved; of several in one event the last is saved."""
        self._saves.pop(noun.id, None)
        self._saves[noun.id] = noun
        self.load(noun)

    def note(self, noun: Run | Session) -> None:
        """Have a living noun saved that differs in its `why` only, so that nothing follows from it."""
        self._saves[noun.id] = noun
        if isinstance(noun, Run):
            self.runs[noun.id] = noun
        else:
            self.sessions[noun.id] = noun

    def load(self, noun: Run | Session | Worker | Node) -> None:
        """Take a noun's state without saving it: what came from the store."""
        if isinstance(noun, Run):
            self._take_run(noun)
        elif isinstance(noun, Session):
            self._take_session(noun)
        elif isinstance(noun, Worker):
            self._take_worker(noun)
        else:
            self.line_moved = True
            if noun.state is NodeState.GONE:
                self.nodes.pop(noun.id, None)
            else:
                self.nodes[noun.id] = noun
                self._expect(noun)

    def ask(self, action: Action) -> None:
        """Have something done, after all saves of this event."""
        self._asked.append(action)

    def collect(self) -> list[Action]:
        """What the event asked for, saves first; empties it."""
        actions: list[Action] = [Save(noun) for noun in self._saves.values()]
        actions += self._asked
        self._saves = {}
        self._asked = []
        return actions

    def _take_run(self, run: Run) -> None:
        self.touched[run.session] = None
        if run.state is not RunState.ENDED:
            self.runs[run.id] = run
            self._runs_of.setdefault(run.session, {})[run.id] = None
            self._expect(run)
            return
        self.runs.pop(run.id, None)
        self.unsaid.discard(run.id)
        self._ended[run.id] = None
        while len(self._ended) > REMEMBERED_RUNS:
            self._ended.popitem(last=False)
        siblings = self._runs_of.get(run.session, {})
        siblings.pop(run.id, None)
        if not siblings:
            self._runs_of.pop(run.session, None)
        worker = self.workers.get(run.worker) if run.worker else None
        if worker is not None and worker.state is WorkerState.GONE:
            self._forget_if_done(worker)

    def _take_session(self, session: Session) -> None:
        self.touched[session.id] = None
        before = self.sessions.get(session.id)
        if SessionState.WAITING in (session.state, before.state if before else None):
            self.line_moved = True
        if session.state is SessionState.ENDED:
            self.sessions.pop(session.id, None)
            self._by_key.pop((session.owner, session.key), None)
            self.places.pop(session.id, None)
            return
        self.sessions[session.id] = session
        self._by_key[session.owner, session.key] = session.id
        self._expect(session)

    def _take_worker(self, worker: Worker) -> None:
        self.workers[worker.id] = worker
        if worker.state is WorkerState.GONE:
            self._unclaim(worker.node, worker.id)
            self._forget_if_done(worker)
        else:
            for device in worker.devices:
                self.claims[worker.node, device] = worker.id

    def _forget_if_done(self, worker: Worker) -> None:
        if not self.runs_on(worker):
            self.workers.pop(worker.id, None)
            if worker.node in self.nodes:
                self.ask(ForgetWorker(worker.node, worker.id))

    def add_stray(self, node: NodeId, worker: WorkerId, devices: tuple[DeviceId, ...]) -> None:
        """Keep devices from being handed out while a worker that is none of ours still sits on them."""
        self.strays.add((node, worker))
        for device in devices:
            self.claims.setdefault((node, device), worker)

    def drop_strays(self, node: NodeId, worker: WorkerId | None = None) -> None:
        """This stray of the node, or all of them, is gone."""
        for stray in [one for one in self.strays if one[0] == node and worker in (None, one[1])]:
            self.strays.discard(stray)
            self._unclaim(*stray)

    def _unclaim(self, node: NodeId, worker: WorkerId) -> None:
        for claim in [claim for claim, holder in self.claims.items() if claim[0] == node and holder == worker]:
            del self.claims[claim]
        self.line_moved = True

    # ---- reading ---------------------------------------------------------------------------------

    def seen(self, run: RunId) -> bool:
        """Whether this run was submitted before, as far as memory goes."""
        return run in self.runs or run in self._ended

    def session_for(self, owner: str, key: str) -> Session | None:
        """The living session of this owner under this key."""
        found = self._by_key.get((owner, key))
        return None if found is None else self.sessions[found]

    def runs_of(self, session: SessionId) -> list[Run]:
        """The living cells of a session, oldest first, ending ones included."""
        return [run for run in self.all_of(session) if not run.aside]

    def all_of(self, session: SessionId) -> list[Run]:
        """The living runs of a session, its comms included."""
        return [self.runs[run] for run in self._runs_of.get(session, ())]

    def queue(self, session: SessionId) -> list[Run]:
        """The runs of a session that wait to be handed to its worker, oldest first."""
        return [run for run in self.runs_of(session) if run.state is not RunState.RUNNING and not run.ending]

    def running(self, session: SessionId) -> Run | None:
        """The run its worker has."""
        return next((run for run in self.runs_of(session) if run.state is RunState.RUNNING), None)

    def runs_on(self, worker: Worker) -> list[Run]:
        """The living runs that were handed to this worker, its session's comms included."""
        return [run for run in self.all_of(worker.session) if run.worker == worker.id]

    def workers_on(self, node: NodeId) -> list[Worker]:
        """The workers of a node that are not forgotten yet."""
        return [worker for worker in self.workers.values() if worker.node == node]

    def worker_of(self, session: Session) -> Worker | None:
        """The worker of a session, once it has one."""
        return None if session.worker is None else self.workers.get(session.worker)

    def is_connected(self, node: NodeId) -> bool:
        """Whether what is asked of this node arrives now."""
        found = self.nodes.get(node)
        return found is not None and found.state is NodeState.CONNECTED

    # ---- deadlines -------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """The earliest time at which something is due."""
        while self._deadlines and self._current(self._deadlines[0]) is None:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def due(self, now: float) -> Iterator[Timed]:
        """Each noun whose deadline has come, once, as it is when its turn comes."""
        while (when := self.next_deadline()) is not None and when <= now:
            noun = self._current(heapq.heappop(self._deadlines))
            if noun is not None:
                yield noun

    def listens_since(self, began: float) -> None:
        """Nobody listened before: a node that is out of reach has its whole grace from now on."""
        self._began = began
        for node in self.nodes.values():
            self._expect(node)

    def unreachable_since(self, node: Node) -> float:
        """Since when a node that is unknown could have connected and did not."""
        return max(node.last_seen, self._began)

    def _deadline(self, noun: Timed) -> float | None:
        if not isinstance(noun, Node):
            return deadline(noun)
        if noun.state is not NodeState.UNKNOWN or math.isinf(self.node_grace_s):
            return None
        return self.unreachable_since(noun) + self.node_grace_s

    def _expect(self, noun: Timed) -> None:
        when = self._deadline(noun)
        if when is not None:
            heapq.heappush(self._deadlines, (when, type(noun).__name__, noun.id))

    def _current(self, entry: tuple[float, str, str]) -> Timed | None:
        """The noun of a deadline that still stands; changed and ended ones leave stale entries behind."""
        when, kind, key = entry
        noun: Timed | None
        if kind == "Run":
            noun = self.runs.get(RunId(key))
        elif kind == "Session":
            noun = self.sessions.get(SessionId(key))
        else:
            noun = self.nodes.get(NodeId(key))
        return noun if noun is not None and self._deadline(noun) == when else None
