"""Which run each thing said is of: the cell that is open, or the session's comms. Pure."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

import msgspec

from farcell_protocol.frames import Frame, Message
from farcell_protocol.ids import RunId
from farcell_worker.plain import COMM_KINDS

StreamName = Literal["stdout", "stderr"]

_CHARS_OF_A_FRAME = 1000
"""What a frame counts for among text."""

answered: ContextVar[str | None] = ContextVar("farcell_answered_message", default=None)
"""The message that the code which runs now was called to answer; null outside of handlers. Tasks inherit it."""


@dataclass(frozen=True)
class Aside:
    """A frame of a handler's."""

    frame: Frame


@dataclass(frozen=True)
class Of:
    """A frame of this run, and of no other if it has ended."""

    run: RunId
    frame: Frame


Text = tuple[StreamName, str, str | None]
"""A stream, what was written to it, and the message that this answers."""

Item = Text | Frame | Aside | Of


@dataclass
class OpenRun:
    """A run that takes frames, and the number of its last one."""

    run: RunId
    n: int = 0


class Routes:
    """The runs that are open."""

    def __init__(self) -> None:
        self.cell: OpenRun | None = None
        self.comms: OpenRun | None = None

    def open_comms(self, run: RunId) -> None:
        """The same one again goes on counting."""
        if self.comms is None or self.comms.run != run:
            self.comms = OpenRun(run)

    def find(self, run: RunId) -> OpenRun | None:
        """This run, if it is open."""
        return next((known for known in (self.cell, self.comms) if known is not None and known.run == run), None)

    @property
    def default(self) -> OpenRun | None:
        """Where things go that nobody has called for: null if nothing is open, and they must wait."""
        return self.cell or self.comms

    def of(self, item: Item) -> OpenRun | None:
        """Where an item goes, given that something is open: null if it is too late for it."""
        if isinstance(item, Of):
            return self.find(item.run)
        is_aside = item[2] is not None if isinstance(item, tuple) else isinstance(item, Aside)
        return self.comms or self.cell if is_aside else self.default


def as_answer(frame: Frame) -> Frame | Aside:
    """The frame as said here: in a handler, it names the message it answers."""
    msg_id = answered.get()
    if msg_id is None:
        return frame
    return Aside(msgspec.structs.replace(frame, parent=msg_id) if isinstance(frame, Message) else frame)


def frame_of(item: Frame | Aside | Of) -> Frame:
    """The frame of an item that is not text."""
    return item.frame if isinstance(item, Aside | Of) else item


def size_of(item: Item) -> int:
    """Characters that an item counts for among what waits; none for what comms say, which cannot be dropped."""
    if isinstance(item, tuple):
        return len(item[1])
    frame = frame_of(item)
    return 0 if isinstance(frame, Message) and frame.msg_type in COMM_KINDS else _CHARS_OF_A_FRAME
