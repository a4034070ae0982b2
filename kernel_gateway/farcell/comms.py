"""Far widgets in the local kernel: each far comm has a stand-in in the comm manager, so that front ends notice nothing.

A session's comms speak in two places: in the frames of its cells, and in those of its comms run. The two are not
ordered one against the other, so what the comms run says of a comm waits here until the cell that opens it was seen.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from farcell.standins import StandIn, register, unregister
from farcell_protocol.errors import FarcellError
from farcell_protocol.frames import Message
from farcell_protocol.messages.cells import CommMessage, InterruptHandler

_HELD_BYTES = 32 * 2**20
"""How much waits for comms that are not open here: another notebook's, or cells that nobody looks at."""

_KNOWN_PARENTS = 1024

ANSWER_S = 10.0
"""How long a front end's message is under way at most before the kernel is said to be idle again."""

Parent = dict[str, Any]
Publish = Callable[[Message, Parent], None]
"""Publishes a message, unchanged, as what came of the request `parent`."""

_WIDGET = "jupyter.widget"

COMM_KINDS = frozenset({"comm_open", "comm_msg", "comm_close"})


class Parents:
    """The requests that output may be of, by id: the newest ones."""

    def __init__(self) -> None:
        self._known: dict[str, Parent] = {}

    def add(self, parent: Parent) -> None:
        """One more."""
        header = parent.get("header") or {}
        if "msg_id" in header:
            self._known[header["msg_id"]] = {"header": header}
        while len(self._known) > _KNOWN_PARENTS:
            del self._known[next(iter(self._known))]

    def find(self, msg_id: str) -> Parent:
        """The request of that id; of one that is not known, its id is all that there is."""
        return self._known.get(msg_id, {"header": {"msg_id": msg_id}})


@dataclass
class _Held:
    """Messages for comms that are not open here yet, by comm, the oldest given up when they are too many."""

    _order: deque[tuple[str, Message, int]] = field(default_factory=deque)
    _bytes: int = 0

    def add(self, comm_id: str, message: Message) -> None:
        size = 1024 + sum(map(len, message.buffers)) + len(str(message.content))
        self._order.append((comm_id, message, size))
        self._bytes += size
        while self._bytes > _HELD_BYTES:
            self._bytes -= self._order.popleft()[2]

    def take(self, comm_ids: set[str]) -> list[Message]:
        found = [message for comm_id, message, _ in self._order if comm_id in comm_ids]
        self._order = deque(one for one in self._order if one[0] not in comm_ids)
        self._bytes = sum(size for _, _, size in self._order)
        return found


class SessionComms:
    """The comms of one session. Called by the thread that watches a cell, the one that follows the comms run, and those
    in which the kernel handles front ends' messages.

    `manager` is the local kernel's comm manager, `tell` passes a message on to the far side, which has `patience_s` to
    answer it.
    """

    def __init__(
        self,
        manager: Any,
        publish: Publish,
        tell: Callable[[CommMessage | InterruptHandler], None],
        cell: Parent,
        patience_s: float = ANSWER_S,
    ) -> None:
        self._manager = manager
        self._publish = publish
        self._tell = tell
        self._lock = threading.RLock()
        self._open: dict[str, StandIn] = {}
        self._shown: set[str] = set()
        self._opening: set[str] = set()
        self._said: set[str] = set()
        self._held = _Held()
        self._parents = Parents()
        self._patience_s = patience_s
        self._unanswered: dict[str, threading.Event] = {}
        self._silent = False
        self._over = False
        self.of_cell(cell)

    def of_cell(self, parent: Parent) -> None:
        """From now on this is the cell that output without a request of its own belongs to."""
        with self._lock:
            self._cell = parent
            self._parents.add(parent)

    # ---- what cells say -------------------------------------------------------------------------------

    def saw_in_cell(self, message: Message) -> None:
        """A comm message in a cell's frames, which is about to be published."""
        with self._lock:
            self._note(message)
            self._said.add(_comm_of(message))
            if message.msg_type == "comm_open":
                self._opening.add(_comm_of(message))
                self._shown.discard(_comm_of(message))

    def caught_up(self, *, replayed: bool) -> None:
        """All that the cell has said so far was published: now what the comms run said since then may follow.

        What was `replayed` may be older than what was shown before it, so widgets are asked for their states."""
        with self._lock:
            opened, self._opening = self._opening, set()
            said, self._said = self._said, set()
            self._shown |= opened
            for message in self._held.take(opened) if opened else ():
                self.saw_aside(message)
            for comm_id in sorted(said) if replayed else ():
                if comm_id in self._open and self._open[comm_id].target_name == _WIDGET:
                    self._tell(CommMessage("comm_msg", {"comm_id": comm_id, "data": {"method": "request_state"}}))

    # ---- what is said outside of cells ----------------------------------------------------------------

    def saw_aside(self, message: Message) -> None:
        """A message of the comms run, published under the request that it names; a status says that nothing follows."""
        with self._lock:
            if message.msg_type == "status":
                self._answered(message.parent)
                return
            if message.msg_type == "comm_open":
                self._shown.add(_comm_of(message))
            elif message.msg_type in COMM_KINDS and _comm_of(message) not in self._shown:
                self._held.add(_comm_of(message), message)
                return
            self._note(message)
            self._publish(message, self._parents.find(message.parent) if message.parent else self._cell)

    def _note(self, message: Message) -> None:
        comm_id = _comm_of(message)
        if message.msg_type == "comm_open" and not self._over:
            stand_in = StandIn(comm_id, str(message.content.get("target_name", "")), self._forward)
            self._open[comm_id] = stand_in
            register(self._manager, stand_in)
        elif message.msg_type == "comm_close" and comm_id in self._open:
            unregister(self._manager, self._open.pop(comm_id))

    # ---- what front ends say ----------------------------------------------------------------------------

    def _forward(self, kind: str, message: dict[str, Any]) -> None:
        content, msg_id, done = dict(message["content"]), message["header"]["msg_id"], threading.Event()
        with self._lock:
            self._parents.add(message)
            if kind == "comm_close":
                self._open.pop(content.get("comm_id", ""), None)
            told = CommMessage(
                "comm_close" if kind == "comm_close" else "comm_msg",
                content,
                dict(message.get("metadata") or {}),
                [bytes(buffer) for buffer in message.get("buffers") or []],
                msg_id,
            )
            try:
                self._tell(told)
            except FarcellError as err:
                text = f"the far widget was not told: {err.message}\n"
                self._publish(Message("stream", {"name": "stderr", "text": text}), self._parents.find(msg_id))
                return
            self._unanswered[msg_id] = done
        self._wait_for_answer(msg_id, done)

    def _wait_for_answer(self, msg_id: str, done: threading.Event) -> None:
        """A front end takes output of a callback only until the kernel is idle after the message (widgets that capture
        output rely on it), so this returns when all is said, as a local callback does. Where the far side does not
        answer in time, nobody waits for it again until it answers."""
        try:
            if not self._over and not self._silent and not self._answers(done):
                self._silent = True
        finally:
            with self._lock:
                self._unanswered.pop(msg_id, None)

    def _answers(self, done: threading.Event) -> bool:
        try:
            return done.wait(self._patience_s)
        except KeyboardInterrupt:
            # The stop button, while the kernel's main thread waits here as it would be in the callback: so it is for
            # the callback. A second one comes out of here.
            self._tell(InterruptHandler())
            return done.wait(self._patience_s)

    def _answered(self, msg_id: str) -> None:
        self._silent = False
        done = self._unanswered.get(msg_id)
        if done is not None:
            done.set()

    # ---- the end ----------------------------------------------------------------------------------------

    def close(self) -> None:
        """The session has ended, or is followed no more: its comms are forgotten, without a word to front ends."""
        with self._lock:
            self._over = True
            for done in self._unanswered.values():
                done.set()
            for stand_in in self._open.values():
                unregister(self._manager, stand_in)
            self._open.clear()


def _comm_of(message: Message) -> str:
    return str(message.content.get("comm_id", ""))
