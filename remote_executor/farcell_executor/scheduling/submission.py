"""A request becomes a run in a session: checks first, then finding or making the session."""

import json
import math
from collections.abc import Callable

from farcell_executor.model import Run, RunState, Session, SessionState
from farcell_executor.scheduling.actions import Dispatch
from farcell_executor.scheduling.books import Books
from farcell_executor.scheduling.ending import decide
from farcell_executor.scheduling.placement import check_fits
from farcell_protocol.errors import BadRequest, FarcellError, SessionDiffers, SessionEnded
from farcell_protocol.gpus import GpuSpec, parse_gpus
from farcell_protocol.ids import SessionId, comms_run_of
from farcell_protocol.messages.api import Interpreter, RunRequest


def check(books: Books, owner: str, request: RunRequest) -> GpuSpec:
    """What the request asks for, if it can ever be had.

    Raises:
        BadSpec, BadRequest: it cannot be understood.
        SessionDiffers: the named session has other hardware or another Python.
        SessionEnded: the session that the request expects is not the one it would run in.
        NoDeviceFits, Unavailable: see `placement.check_fits`.
    """
    if request.kind == "comms":
        return _check_comms(books, owner, request)
    spec = parse_gpus(request.gpu)
    _check_numbers(request)
    if request.session and request.once:
        raise BadRequest("a session that ends with its run has no name: leave out either the name or once")
    session = books.session_for(owner, session_key(request, spec))
    if request.expects is not None:
        _check_expected(session, request.expects)
    if session is not None and request.session:
        _check_same(session, request, spec)
    if session is None or session.state is SessionState.WAITING:
        check_fits(spec if session is None else parse_gpus(session.gpu), books.nodes.values())
    return spec


def _check_comms(books: Books, owner: str, request: RunRequest) -> GpuSpec:
    """Comms are of a session that is ready, and have the id that follows from its."""
    session = books.sessions.get(request.expects) if request.expects else None
    if session is None or session.owner != owner or session.state is not SessionState.READY:
        raise SessionEnded(f"there is no session {request.expects} to have comms with", session=request.expects)
    if request.run != comms_run_of(session.id):
        raise BadRequest(f"the comms of session {session.id} are run {comms_run_of(session.id)}, not {request.run}")
    return parse_gpus(session.gpu)


def _check_expected(session: Session | None, expected: SessionId) -> None:
    """Names that were in one session are not in the next: a cell that relies on them must not run there.

    Once it is queued this cannot change any more: a run never moves to another session, but ends with its own.
    """
    if session is not None and session.id == expected:
        return
    instead = f"session {session.id} is in its place" if session is not None else "there is none in its place yet"
    raise SessionEnded(
        f"session {expected}, whose variables the cell relies on, has ended, and {instead}: send their values with it",
        session=expected,
        instead=None if session is None else session.id,
    )


def _check_numbers(request: RunRequest) -> None:
    limit, window = request.timeout_s, request.scaledown_window_s
    if limit is not None and not (limit > 0 and math.isfinite(limit)):
        raise BadRequest(f"timeout {limit} s: it must be more than 0 seconds", timeout_s=str(limit))
    if not (window >= 0 and math.isfinite(window)):
        raise BadRequest(f"scaledown window {window} s: it must be 0 seconds or more", scaledown_window_s=str(window))


def _check_same(session: Session, request: RunRequest, spec: GpuSpec) -> None:
    if request.gpu and str(spec) != session.gpu:
        raise SessionDiffers(
            f"session {session.name} has {session.gpu}, this asks for {spec}: leave the GPU out, or use another name",
            session=session.id,
            has=session.gpu,
            wanted=str(spec),
        )
    if minor(session.python) != minor(request.python.version):
        raise SessionDiffers(
            f"session {session.name} has Python {session.python}, this kernel has {request.python.version}:"
            " values cannot cross between them, use another name",
            session=session.id,
            has=session.python,
            wanted=request.python.version,
        )


def minor(version: str) -> str:
    """The part of a Python version that pickles care about: "3.11" of "3.11.7"."""
    return ".".join(version.split(".")[:2])


def session_key(request: RunRequest, spec: GpuSpec) -> str:
    """Under which the owner's later runs find the same session. The parts can hold any text, hence JSON."""
    if request.once:
        return json.dumps(["once", request.run])
    if request.session:
        return json.dumps(["named", request.session])
    python: Interpreter = request.python
    return json.dumps(["default", request.notebook, str(spec), python.executable, minor(python.version)])


def submit(books: Books, owner: str, request: RunRequest, now: float, new_session_id: Callable[[], SessionId]) -> None:
    """Queue the request in its session, which is made if there is none. A run seen before changes nothing.

    What `check` would refuse becomes a run all the same, which ends as refused: the fleet may have
    changed since the caller checked.
    """
    if books.seen(request.run):
        return
    try:
        spec = check(books, owner, request)
    except FarcellError as refused:
        run = Run(request.run, owner, SessionId(""), request, RunState.QUEUED, now)
        books.put(run)
        decide(books, run, "refused", refused.info())
        return
    if request.kind == "comms":
        _open_comms(books, owner, request, now)
        return
    session = books.session_for(owner, session_key(request, spec))
    if session is None:
        session = _new_session(owner, request, spec, now, new_session_id())
        books.put(session)
    books.put(Run(request.run, owner, session.id, request, RunState.QUEUED, now))


def _open_comms(books: Books, owner: str, request: RunRequest, now: float) -> None:
    """They wait for nobody: handed over at once, or when the node's link is back."""
    session = books.sessions[SessionId(request.expects or "")]
    worker = books.worker_of(session)
    assert worker is not None, "a ready session has a worker"
    books.put(Run(request.run, owner, session.id, request, RunState.RUNNING, now, worker=worker.id, started=now))
    books.ask(Dispatch(worker.node, worker.id, request.run))


def _new_session(owner: str, request: RunRequest, spec: GpuSpec, now: float, session: SessionId) -> Session:
    return Session(
        id=session,
        owner=owner,
        key=session_key(request, spec),
        name="" if request.once else request.session,
        notebook=request.notebook,
        gpu=str(spec),
        python=request.python.version,
        once=request.once,
        scaledown_window_s=request.scaledown_window_s,
        state=SessionState.WAITING,
        created=now,
        executable=request.python.executable,
        cwd=request.cwd,
    )
