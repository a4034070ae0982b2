"""The comms runs of a kernel's sessions: asked for when the first widget is seen, and followed by a thread each."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from farcell import follow
from farcell.comms import ANSWER_S, Parent, Publish, SessionComms
from farcell.packing.request import comms_request_of
from farcell.parties import Following
from farcell_protocol.errors import FarcellError
from farcell_protocol.frames import Message
from farcell_protocol.ids import RunId, SessionId, comms_run_of
from farcell_protocol.messages.api import RunRequest, RunView
from farcell_protocol.messages.cells import Told


class Asking(Protocol):
    """What is needed of the client."""

    def submit(self, request: RunRequest) -> Following:
        """Ask for a run and follow it from its start."""

    def follow(self, run: RunId, after: int = 0) -> Following:
        """Follow one that there is."""

    def tell(self, run: RunId, told: Told) -> None:
        """Pass a message on."""


class FarComms:
    """The comms of all sessions that one kernel has met. Costs nothing until a widget is made.

    `request` is the one that the kernel is executing; `patience_s` is what `SessionComms` has."""

    def __init__(
        self, manager: Any, publish: Publish, request: Callable[[], Parent], patience_s: float = ANSWER_S
    ) -> None:
        self._patience_s = patience_s
        self._manager = manager
        self._publish = publish
        self._request = request
        self._lock = threading.Lock()
        self._sessions: dict[SessionId, SessionComms] = {}
        self._last: dict[SessionId, int] = {}

    def of_run(self, client: Asking, attached: RunView | None = None) -> "RunComms":
        """For a run that is about to be watched, on behalf of the request that is being executed; one that is
        `attached` to began before."""
        return RunComms(self, client, self._request(), attached, replays=attached is not None)

    def find(self, session: SessionId) -> SessionComms | None:
        """A session's comms, if any were seen."""
        return self._sessions.get(session)

    def begin(self, client: Asking, view: RunView, parent: Parent) -> SessionComms:
        """The comms of the session that this run is in; its comms run is followed from now on."""
        session = view.session
        with self._lock:
            found = self._sessions.get(session)
            if found is not None:
                return found
            run = comms_run_of(session)
            comms = SessionComms(
                self._manager, self._publish, lambda told: client.tell(run, told), parent, self._patience_s
            )
            after = self._last.get(session, 0)
            follower = client.follow(run, after) if after else client.submit(comms_request_of(view))
            self._sessions[session] = comms
        thread = threading.Thread(
            target=self._follow, args=(session, comms, follower), name=f"farcell comms {session}", daemon=True
        )
        thread.start()
        return comms

    def _follow(self, session: SessionId, comms: SessionComms, follower: Following) -> None:
        try:
            # However it ends, whoever looks at the session's runs is told why; here nothing is left to show.
            with suppress(FarcellError):
                follow_to_the_end(follower, comms.saw_aside)
        finally:
            with self._lock:
                self._last[session] = follower.last
                self._sessions.pop(session, None)
            comms.close()


def follow_to_the_end(follower: Following, take: Callable[[Message], object]) -> None:
    """Hand on every message of a run, until it has ended.

    Raises:
        FarcellError: it cannot be followed any more.
    """
    while True:
        match follower.next(None):
            case follow.Batch(frames=frames):
                for frame in frames:
                    if isinstance(frame, Message):
                        take(frame)
            case follow.Changed(view=view) if view.state == "ended":
                return


@dataclass
class RunComms:
    """One watched run's comm messages, on their way to the front end."""

    _all: FarComms
    _client: Asking
    _parent: Parent
    _view: RunView | None = None
    _comms: SessionComms | None = None
    replays: bool = False

    def see(self, view: RunView) -> None:
        """The run's state is this."""
        self._view = view
        if self._comms is None and view.session:
            self._comms = self._all.find(view.session)
            if self._comms is not None:
                self._comms.of_cell(self._parent)

    def saw(self, message: Message) -> None:
        """The run said this of a comm; it is about to be published."""
        if self._comms is None and self._view is not None:
            self._comms = self._all.begin(self._client, self._view, self._parent)
            self._comms.of_cell(self._parent)
        if self._comms is not None:
            self._comms.saw_in_cell(message)

    def caught_up(self) -> None:
        """Everything that was said up to now has been published."""
        if self._comms is not None:
            self._comms.caught_up(replayed=self.replays)
            self.replays = False
