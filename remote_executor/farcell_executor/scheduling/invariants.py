"""What is true between any two events, whatever happened: checked by tests after every step."""

from farcell_executor.model import RunState, SessionState, WorkerState
from farcell_executor.scheduling.books import Books, Claim
from farcell_protocol.ids import WorkerId


class InvariantBroken(AssertionError):
    """The machine contradicts itself; `name` says in what."""

    def __init__(self, name: str, detail: object) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name


def _require(true: bool, name: str, detail: object) -> None:
    if not true:
        raise InvariantBroken(name, detail)


def validate(books: Books) -> None:
    """Check everything.

    Raises:
        InvariantBroken: named after the rule that does not hold.
    """
    _claims(books)
    _sessions(books)
    _runs(books)
    _workers(books)


def _claims(books: Books) -> None:
    holders: dict[Claim, WorkerId] = {}
    for worker in books.workers.values():
        if worker.state is WorkerState.GONE:
            held = [claim for claim, holder in books.claims.items() if holder == worker.id and claim[0] == worker.node]
            stray = (worker.node, worker.id) in books.strays
            _require(stray or not held, "a worker that is gone holds nothing", worker)
            continue
        for device in worker.devices:
            claim = (worker.node, device)
            _require(claim not in holders, "a device has one holder", (claim, worker.id, holders.get(claim)))
            holders[claim] = worker.id
            _require(books.claims.get(claim) == worker.id, "a worker holds its devices until it is gone", worker)
    for claim, holder in books.claims.items():
        stray = (claim[0], holder) in books.strays
        _require(stray or claim in holders, "a claim has a living holder", (claim, holder))


def _sessions(books: Books) -> None:
    keys: set[tuple[str, str]] = set()
    for session in books.sessions.values():
        _require(session.state is not SessionState.ENDED, "ended sessions leave memory", session)
        _require((session.owner, session.key) not in keys, "a key finds one session", session)
        keys.add((session.owner, session.key))
        worker = books.worker_of(session)
        expected = {
            SessionState.WAITING: None,
            SessionState.STARTING: WorkerState.STARTING,
            SessionState.READY: WorkerState.READY,
        }[session.state]
        actual = None if worker is None else worker.state
        _require(actual is expected, "a living session's worker is in the same state", (session, worker))
        queue, running = books.queue(session.id), books.running(session.id)
        busy = bool(queue) or running is not None
        idle = session.idle_since is not None
        ready = session.state is SessionState.READY
        _require(idle == (ready and not busy), "a ready session is idle exactly when it has no runs", session)
        _require(ready or bool(queue), "a session gets a worker for its runs only", session)
        _require(ready or running is None, "a run runs in a ready session", session)


def _runs(books: Books) -> None:
    busy: set[WorkerId] = set()
    for run in books.runs.values():
        _require(run.state is not RunState.ENDED, "ended runs leave memory", run.id)
        _require(
            (run.worker is not None) == (run.state is RunState.RUNNING), "a run has a worker once handed over", run
        )
        session = books.sessions.get(run.session)
        if run.aside:
            _require(run.worker is not None or run.ending, "comms are of a session that has a worker", run)
            continue
        if run.worker is not None:
            _require(run.worker not in busy, "a worker has one run at a time", run)
            busy.add(run.worker)
            _require(run.started is not None, "a running run has begun", run)
            continue
        _require(run.ending or session is not None, "a queued run has a living session", run)
        if run.state is RunState.STARTING and not run.ending and session is not None:
            first = books.queue(session.id)[0]
            _require(session.state is SessionState.STARTING, "a starting run's session is starting", run)
            _require(first.id == run.id, "only the first run of a session is starting", run)


def _workers(books: Books) -> None:
    for worker in books.workers.values():
        session = books.sessions.get(worker.session)
        ours = session is not None and session.worker == worker.id
        alive = worker.state in (WorkerState.STARTING, WorkerState.READY)
        _require(ours == alive, "a worker lives for its session and is stopped when that ends", worker)
        if worker.state is WorkerState.GONE:
            _require(bool(books.runs_on(worker)), "a worker that is gone is kept for its runs only", worker)
