"""An executor's API as blocking methods: what the magics and the SDK call."""

import os
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self, TypeVar

from farcell import blocking, embedded
from farcell.follow import Follower, Inbox
from farcell.stream import Stream
from farcell.tells import update_in
from farcell_host import rest
from farcell_host.target import Target
from farcell_protocol.errors import ExecutorUnreachable, Unavailable
from farcell_protocol.framing import check_payload
from farcell_protocol.ids import RunId, SessionId, new_tell_id
from farcell_protocol.messages.api import (
    Cancel,
    DeviceView,
    ExecutorView,
    FromClient,
    Interrupt,
    NodeView,
    RunRequest,
    RunView,
    SessionView,
    Simulate,
    Tell,
)
from farcell_protocol.messages.cells import Told, encode_told

T = TypeVar("T")

_SEND_S = 5.0


class Client:
    """One executor, from any thread; a KeyboardInterrupt ends any wait at once.

    `on_start` is told in words what is going on while an embedded executor is started, in the thread
    that waits for it. Methods raise `ExecutorUnreachable`, `Unauthorized`, `VersionMismatch` or what
    the executor answered, as the class of its code.
    """

    def __init__(self, target: Target, on_start: Callable[[str], None] | None = None) -> None:
        self._target = target
        self._on_start = on_start
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._loop: blocking.LoopThread | None = None
        self._stream: Stream | None = None
        self._pid = os.getpid()

    # ---- runs, on the stream ------------------------------------------------------------------------

    def connect(self) -> None:
        """Find the executor, start it if it is the embedded one, and open the stream. Done already: nothing."""
        self._connected()

    def _connected(self) -> tuple[blocking.LoopThread, Stream]:
        with self._lock:
            if self._pid != os.getpid():
                # A fork has the parent's sockets but not its loop; it makes its own.
                self._loop, self._stream, self._pid = None, None, os.getpid()
            if self._loop is None:
                self._loop = blocking.hold()
            if self._stream is None:
                self._stream = Stream(self._find)
            if not self._stream.live:
                self._closing.clear()
                self._target = self._find(self._on_start)
                self._loop.run(self._stream.open(self._target))
            return self._loop, self._stream

    def _find(self, on_start: Callable[[str], None] | None = None) -> Target:
        if not self._target.embedded:
            return self._target
        return embedded.find_or_start(os.environ, on_start=on_start, giving_up=self._closing.is_set)

    def submit(self, request: RunRequest) -> Follower:
        """Send a run and follow it from its start. Returns before the executor has it: what it says to
        the request, a refusal too, comes out of the follower.

        Raises:
            MessageTooLarge: the request is over the limit of a message; nothing was sent.
        """
        check_payload(len(request.payload), "the cell and its values are")
        return self._follower(request.run, 0, lambda stream, inbox: stream.lines.submit(request, inbox))

    def follow(self, run: RunId, after: int = 0) -> Follower:
        """Follow an existing run from the frame after number `after`."""
        return self._follower(run, after, lambda stream, inbox: stream.lines.follow(run, after, inbox))

    def _follower(self, run: RunId, after: int, begin: Callable[[Stream, Inbox], list[FromClient]]) -> Follower:
        loop, stream = self._connected()
        inbox = Inbox(lambda: loop.soon(lambda: stream.say(stream.lines.resume(run, inbox))))
        follower = Follower(
            run,
            after,
            inbox,
            on_close=lambda: loop.soon(lambda: stream.say(stream.lines.leave(run, inbox))),
            on_heard=lambda tells: loop.soon(lambda: stream.say(stream.lines.heard(run, tells))),
        )
        loop.soon(lambda: stream.begin(inbox, begin(stream, inbox)))
        return follower

    def interrupt(self, run: RunId) -> None:
        """SIGINT for the run's code; nothing if it has ended."""
        if not self._behind_request(Interrupt(run)):
            self._ask_raw("POST", f"/runs/{rest.segment(run)}/interrupt")

    def cancel(self, run: RunId, grace_s: float = 2.0) -> None:
        """Stop the run: SIGINT, then SIGTERM and SIGKILL for its whole process tree, `grace_s` apart."""
        if not self._behind_request(Cancel(run, grace_s)):
            self._ask_raw("POST", f"/runs/{rest.segment(run)}/cancel", {"grace_s": grace_s})

    def _behind_request(self, message: Interrupt | Cancel) -> bool:
        # A plain request would overtake a run that is still on its way to the executor.
        loop, stream = self._loop, self._stream
        if loop is None or stream is None or not stream.live:
            return False

        async def send() -> bool:
            said = stream.lines.control(message)
            stream.say(said)
            return bool(said)

        return loop.run(send(), _SEND_S)

    def tell(self, run: RunId, told: Told) -> None:
        """Tell something to a run that is followed here, after what it was told before. Never waits; sent again over
        broken links until the run has heard it or ended.

        Raises:
            MessageTooLarge: it fits into no message.
            Unavailable: so much waits to be heard already that no more is taken.
        """
        payload = encode_told(told)
        check_payload(len(payload), "the message to the run is")
        loop, stream = self._loop, self._stream
        if loop is None or stream is None:
            return
        if not stream.lines.tells.has_room(run, len(payload)):
            raise Unavailable(f"run {run} hears nothing at the moment, and too much waits to be said to it", run=run)
        loop.soon(stream.tell, Tell(run, new_tell_id(), payload), update_in(told))

    # ---- everything else, as plain requests -----------------------------------------------------------

    def status(self) -> ExecutorView:
        """Who answers there."""
        return self._ask("GET", "/status", ExecutorView)

    def nodes(self) -> list[NodeView]:
        """The GPU hosts and their devices."""
        return self._ask("GET", "/nodes", list[NodeView])

    def sessions(self) -> list[SessionView]:
        """The caller's sessions."""
        return self._ask("GET", "/sessions", list[SessionView])

    def session(self, session: SessionId) -> SessionView:
        """One session."""
        return self._ask("GET", f"/sessions/{rest.segment(session)}", SessionView)

    def runs(self) -> list[RunView]:
        """The caller's runs."""
        return self._ask("GET", "/runs", list[RunView])

    def run(self, run: RunId) -> RunView:
        """One run."""
        return self._ask("GET", f"/runs/{rest.segment(run)}", RunView)

    def stop_session(self, session: SessionId, grace_s: float = 2.0) -> None:
        """End a session and release its devices."""
        self._ask_raw("POST", f"/sessions/{rest.segment(session)}/stop", {"grace_s": grace_s})

    def simulate(self, gpus: str) -> list[DeviceView]:
        """Declare simulated devices, as in `H100:2`; returns all devices of that node."""
        return self._ask("POST", "/devices/simulate", list[DeviceView], Simulate(gpus))

    def output(self, run: RunId) -> bytes:
        """What the run printed, as text."""
        return b"".join(self.output_pieces(run))

    def output_pieces(self, run: RunId) -> Iterator[bytes]:
        """What the run printed, however much, as it is read."""
        self.run(run)  # an embedded executor that has left is started again, and a run that is not there is said
        return rest.chunks(self._target, "GET", f"/runs/{rest.segment(run)}/output")

    def stop(self) -> None:
        """End the executor with all sessions. An embedded one that is not running is left so."""
        rest.call_raw(self._running(), "POST", "/stop")

    def drain(self) -> None:
        """End the executor's process and leave the runs going, for its successor."""
        rest.call_raw(self._running(), "POST", "/drain")

    def _running(self) -> Target:
        if not self._target.embedded:
            return self._target
        return embedded.find(os.environ)

    def _ask(self, method: str, path: str, kind: type[T], body: object = None) -> T:
        return self._asking(lambda target: rest.call(target, method, path, kind, body))

    def _ask_raw(self, method: str, path: str, body: object = None) -> bytes:
        return self._asking(lambda target: rest.call_raw(target, method, path, body))

    def _asking(self, ask: Callable[[Target], T]) -> T:
        if self._target.embedded and self._target.token is None:
            self._target = self._find(self._on_start)
        try:
            return ask(self._target)
        except ExecutorUnreachable:
            if not self._target.embedded:
                raise
        # The daemon has left after its idle time, or was killed. All these requests may be repeated.
        self._target = self._find(self._on_start)
        return ask(self._target)

    # ---- the end -------------------------------------------------------------------------------------

    def close(self) -> None:
        """Leave; runs go on. Requests on their way get two seconds. Again: nothing."""
        with self._lock:
            self._closing.set()
            loop, stream = self._loop, self._stream
            self._loop = self._stream = None
            if loop is None or self._pid != os.getpid():
                return
            try:
                if stream is not None:
                    loop.run(_close(stream), 10.0)
            finally:
                blocking.release(loop)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


async def _close(stream: Stream) -> None:
    await stream.settle(2.0)
    await stream.close()
