"""The embedded executor: find the one of this user and data directory, or start it, or replace an old one.

Only one process at a time starts anything: it holds the start lock. Whether an executor lives is decided
by asking it and by the lock it holds, never by a pid or a file that it may have left behind.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from farcell.config import embedded_places
from farcell.spawning import spawn
from farcell.tokenless import Tokenless
from farcell.trust import own_socket, read_token
from farcell.versions import is_older
from farcell_host import rest
from farcell_host.installed import our_version
from farcell_host.locks import LockFile, facts_in, is_held
from farcell_host.target import Target
from farcell_protocol.errors import (
    ExecutorUnreachable,
    Unavailable,
    VersionMismatch,
)
from farcell_protocol.messages.api import ExecutorView
from farcell_protocol.places import Places
from farcell_protocol.version import OLDEST

DEADLINE_S = 20.0
_ASK_S = 5.0
# flock has no deadline of its own, and neither has the end of a process that is not our child.
_LOOK_AGAIN_S = 0.02


class Found(NamedTuple):
    """An executor that answers: what it said, or why we do not understand each other."""

    target: Target
    view: ExecutorView | None
    mismatch: VersionMismatch | None = None


class Search:
    """One search: where, how long, who is told, and when to give up before the deadline."""

    def __init__(
        self,
        places: Places,
        environ: Mapping[str, str],
        on_start: Callable[[str], None] | None,
        giving_up: Callable[[], bool],
        deadline_s: float,
    ) -> None:
        self.places = places
        self.environ = environ
        self.tell = on_start or (lambda words: None)
        self._giving_up = giving_up
        self._deadline = time.monotonic() + deadline_s
        self._deadline_s = deadline_s

    def until(
        self, condition: Callable[[], bool], waiting_for: str, pause: Callable[[float], object] = time.sleep
    ) -> None:
        """Look again and again until `condition` holds; `pause` waits up to so many seconds in between.

        Raises:
            ExecutorUnreachable: not within the deadline, or the client was closed meanwhile.
        """
        while not condition():
            if self._giving_up():
                raise ExecutorUnreachable("the client was closed while the embedded executor was being started")
            if time.monotonic() > self._deadline:
                raise ExecutorUnreachable(
                    f"waited {self._deadline_s:g} s for {waiting_for}; the log is {self.places.executor_log}",
                    log=str(self.places.executor_log),
                )
            pause(_LOOK_AGAIN_S)


def find(environ: Mapping[str, str]) -> Target:
    """The embedded executor that is running.

    Raises:
        ExecutorUnreachable: none is.
        Unauthorized: one is, and its token's file is missing or cannot be trusted.
    """
    search = Search(embedded_places(environ), environ, None, lambda: False, _ASK_S)
    found = _ask(search.places, [own_socket(search.places)])
    if found is None and search.places.start_lock.exists():
        with _trouble_named(search.places), _start_lock(search):
            found = _ask(search.places, _addresses(search.places))
            if found is None:
                Tokenless(search.places, 0.0).check(
                    _addresses(search.places), facts_in(search.places.executor_lock).get("pid")
                )
    if found is None:
        raise ExecutorUnreachable(
            f"no embedded executor is running for {search.places.data}: the next %%gpu cell starts one",
            data_directory=str(search.places.data),
        )
    if found.mismatch is not None:
        raise found.mismatch
    return found.target


def find_or_start(
    environ: Mapping[str, str],
    *,
    on_start: Callable[[str], None] | None = None,
    giving_up: Callable[[], bool] = lambda: False,
    deadline_s: float = DEADLINE_S,
    command: list[str] | None = None,
) -> Target:
    """The embedded executor, started if there is none, replaced if it is older than this program.

    `on_start` is told in words what is going on; `giving_up` is asked now and then whether to stop
    waiting; `command` is for tests. The daemon lives in a session of its own: it hears no stop button.

    Raises:
        ExecutorUnreachable: it does not start, or its files cannot be used; the text says what to do.
        Unauthorized: the token file cannot be trusted, or is missing while an executor runs.
    """
    search = Search(embedded_places(environ), environ, on_start, giving_up, deadline_s)
    found = _ask(search.places, [own_socket(search.places)])
    if found is not None and _may_stay(found):
        return found.target
    with _trouble_named(search.places), _start_lock(search):
        # Whoever held the lock before us may have done it all.
        found = _ask(search.places, _addresses(search.places))
        if found is not None and _may_stay(found):
            return found.target
        if found is not None:
            _drain(search, found)
        return _start(search, command)


def _may_stay(found: Found) -> bool:
    """Whether to use it. An older one is replaced; a newer one serves us if it speaks our protocol."""
    if found.mismatch is not None:
        theirs = found.mismatch.fields.get("theirs")
        if isinstance(theirs, int) and theirs < OLDEST:
            return False
        raise found.mismatch
    view = found.view
    return view is not None and not view.draining and not is_older(view.version, our_version())


def _drain(search: Search, found: Found) -> None:
    """Have it leave, with its runs going on, and wait until it has."""
    search.tell("replacing the embedded executor by a newer one; runs go on")
    if found.view is None or not found.view.draining:
        rest.call_raw(found.target, "POST", "/drain", oldest=1)
    search.until(lambda: not is_held(search.places.executor_lock), "the older executor to leave")


def _start(search: Search, command: list[str] | None) -> Target:
    places = search.places
    again: list[Found] = []
    tokenless = Tokenless(places)

    def free_or_answering() -> bool:
        again.extend(filter(None, [_ask(places, _addresses(places))]))
        if not again and is_held(places.executor_lock):
            tokenless.check(_addresses(places), facts_in(places.executor_lock).get("pid"))
        return bool(again) or not is_held(places.executor_lock)

    # Held without an answer: one started by hand a moment ago, or one that is leaving.
    search.until(free_or_answering, _holder(places) + " to answer or leave")
    if again:
        return again[0].target
    search.tell("starting the embedded executor")
    with spawn(search.environ, places, command) as daemon:
        try:
            search.until(daemon.has_settled, "the embedded executor to start", daemon.wait)
        except ExecutorUnreachable:
            daemon.give_up()
            raise
        found = _ask(places, _addresses(places))
        if found is None:
            raise daemon.failure()
        return found.target


def _ask(places: Places, urls: Sequence[str | None]) -> Found | None:
    """Who answers at the first of these addresses where anybody does; an executor listens before its token exists."""
    for url in filter(None, urls):
        if not os.path.lexists(places.token_file):
            return None
        target = Target(url, read_token(places), True)
        try:
            return Found(target, rest.call(target, "GET", "/status", ExecutorView, timeout_s=_ASK_S))
        except VersionMismatch as err:
            return Found(target, None, err)
        except Unavailable:  # nobody, or one that is only starting
            continue
    return None


def _addresses(places: Places) -> list[str | None]:
    """Where an executor on this data directory may listen; to be called under the start lock.

    The text of a lock that nobody holds is not believed: by now anybody may listen there and be sent
    our token. Looking whether it is held takes it for a moment, which must not meet a daemon's start.
    """
    own = own_socket(places)
    if not is_held(places.executor_lock):
        return [own]
    # Another environment (XDG_RUNTIME_DIR) may have given the running one another socket, and a service
    # started by hand on this data directory listens on TCP.
    said = facts_in(places.executor_lock).get("address")
    return [own, said] if isinstance(said, str) and said and said != own else [own]


def _holder(places: Places) -> str:
    pid = facts_in(places.executor_lock).get("pid")
    who = f"the executor with pid {pid}, which holds {places.data}," if pid else f"the executor on {places.data}"
    return who if os.path.lexists(places.token_file) else f"{who} (there is no {places.token_file})"


@contextmanager
def _start_lock(search: Search) -> Iterator[None]:
    """Be the only one who starts, replaces or looks for an executor on this data directory."""
    search.places.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with LockFile(search.places.start_lock) as lock:
        search.until(lock.take, "another kernel that is starting the embedded executor")
        yield


@contextmanager
def _trouble_named(places: Places) -> Iterator[None]:
    """Turn what the file system says into an error that names the folder and the way out."""
    try:
        yield
    except OSError as err:
        where = err.filename or places.data
        raise ExecutorUnreachable(
            f"cannot start the embedded executor: {where}: {err.strerror or err}. "
            "Make room or rights there, or set FARCELL_DATA to another folder",
            path=str(where),
        ) from err
