"""How much of a cell's output a notebook is given: its beginning, and in the end its last part. Pure.

Browsers become slow at some ten million characters or some hundred thousand lines of one cell, and such a notebook can
hardly be opened again. All of it stays in the run's log.
"""

import os
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from farcell_protocol.errors import BadRequest
from farcell_protocol.frames import Message

HEAD_CHARS = 10_000_000
HEAD_LINES = 200_000
"""Beyond these, text is left out. A loop that prints a hundred thousand lines is still seen whole."""

HEAD_DISPLAYS = 20_000
HEAD_DISPLAY_CHARS = 256 * 10**6
"""The same for displays: pictures are large, and each of them is meant to be looked at."""

TAIL_CHARS = 200_000
TAIL_LINES = 2_000
"""The last part of what was left out, shown in the end: where code says how it came out, or what went wrong."""

MOST_GAPS = 20
"""How often a display has the last part of a flood before it shown."""

SAY_EVERY_S = 2.0
"""How often it is said anew how much is left out."""


@dataclass(frozen=True)
class Limits:
    """How much text is shown from the beginning."""

    chars: int = HEAD_CHARS
    lines: int = HEAD_LINES


def limits_in(environ: Mapping[str, str]) -> Limits:
    """`FARCELL_SHOWN_CHARS` and `FARCELL_SHOWN_LINES`, as far as they are set.

    Raises:
        BadRequest: one of them is no number.
    """
    return Limits(
        _number(environ, "FARCELL_SHOWN_CHARS", HEAD_CHARS), _number(environ, "FARCELL_SHOWN_LINES", HEAD_LINES)
    )


def _number(environ: Mapping[str, str], name: str, otherwise: int) -> int:
    text = environ.get(name) or str(otherwise)
    if not text.isdecimal():
        raise BadRequest(f"{name} is {text!r}: write a whole number, such as {otherwise}")
    return int(text)


class Bounds:
    """Takes a run's output in order, and says what to show. What is cleared or overwritten counts for nothing."""

    def __init__(self, run: str, clock: Callable[[], float], limits: Limits | None = None) -> None:
        self._run = run
        self._clock = clock
        self._limits = limits or Limits()
        self._gaps = 0
        self._begin()

    def _begin(self) -> None:
        self._text = _Grown()
        self._displays = self._display_chars = 0
        self._begin_gap()

    def _begin_gap(self) -> None:
        self._tail = _Tail()
        self._left_displays = 0
        self._note = self._said = ""
        self._said_at = 0.0

    @property
    def is_full(self) -> bool:
        """Whether text is left out from here."""
        return self._text.chars >= self._limits.chars or self._text.lines >= self._limits.lines

    def take(self, message: Message) -> list[Message]:
        """What to show now that this was said."""
        match message.msg_type:
            case "stream" if self.is_full:
                self._tail.add(message)
                return self._said_again() if self._tail.left_bytes else []
            case "stream":
                self._text.add(message.content)
            case "display_data" if not self._counts(message):
                self._left_displays += 1
                return self._said_again()
            case "display_data" | "execute_result" | "error":
                return [*self._close_gap(), message]
            case "clear_output":
                self._begin()
        return [message]

    def left_out(self, size_bytes: int) -> list[Message]:
        """So much text was not even sent here; the text before it is left out with it."""
        self._tail.leave()
        self._tail.left_bytes += size_bytes
        return self._said_again()

    def rest(self) -> list[Message]:
        """At the end: how much was left out in all, and the last of it."""
        self._tail.trim()
        note = self._say() if self._tail.left_bytes or self._left_displays else []
        return note + self._tail.take()

    def _counts(self, message: Message) -> bool:
        """Take note of a display; false if there have been too many."""
        if self._displays >= HEAD_DISPLAYS or self._display_chars >= HEAD_DISPLAY_CHARS:
            return False
        self._displays += 1
        self._display_chars += sum(len(str(data)) for data in message.content.get("data", {}).values())
        return True

    def _close_gap(self) -> list[Message]:
        """The last part of the text before what is shown now, unless such things alternate with floods all the time."""
        if not self._tail:
            return []
        if self._gaps >= MOST_GAPS:
            self._tail.leave()
            return []
        shown = self.rest()
        self._gaps += 1
        self._begin_gap()
        return shown

    def _said_again(self) -> list[Message]:
        return [] if self._note and self._clock() - self._said_at < SAY_EVERY_S else self._say()

    def _say(self) -> list[Message]:
        text = more_text(self._run, self._tail.left_bytes, self._left_displays)
        if text == self._said:
            return []
        kind = "update_display_data" if self._note else "display_data"
        self._note = self._note or f"farcell-{os.urandom(8).hex()}"
        self._said, self._said_at = text, self._clock()
        return [Message(kind, {"data": {"text/plain": text}, "metadata": {}, "transient": {"display_id": self._note}})]


def more_text(run: str, size_bytes: int, displays: int) -> str:
    """The one line that stands for what is left out."""
    parts = [size_text(size_bytes)] if size_bytes else []
    parts += [f"{displays:,} displays"] if displays else []
    return f"[{' and '.join(parts)} more: farcell logs {run}, or %gpu logs {run}, prints all]"


def size_text(size_bytes: int) -> str:
    """A size for people: "412 MB"."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size_bytes >= size:
            amount = size_bytes / size
            return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"
    return f"{size_bytes} bytes"


class _Grown:
    """How much of what was written can be seen: a line that is written over grows only as it becomes longer."""

    def __init__(self) -> None:
        self.chars = self.lines = 0
        self._open: dict[str, int] = {}

    def add(self, content: dict[str, Any]) -> None:
        """A `stream` message is shown."""
        text, name = content.get("text", ""), content.get("name", "")
        lines = text.count("\n")
        self.lines += lines
        before = self._open.get(name, 0)
        if "\r" not in text:
            self.chars += len(text)
            self._open[name] = len(text) - text.rfind("\n") - 1 + (0 if lines else before)
            return
        for at, line in enumerate(text.split("\n")):
            first, *others = line.split("\r")
            start = before if at == 0 else 0
            width = max([start + len(first), *map(len, others)])
            self.chars += width - start + (at > 0)
            self._open[name] = width


class _Tail:
    """The newest text, and how much older text it has pushed out."""

    def __init__(self) -> None:
        self.left_bytes = 0
        self._kept: deque[Message] = deque()
        self._chars = self._lines = 0

    def __bool__(self) -> bool:
        return bool(self._kept)

    def add(self, message: Message) -> None:
        """The newest."""
        self._kept.append(message)
        self._chars += len(_text(message))
        self._lines += _text(message).count("\n")
        while self._chars - len(oldest := _text(self._kept[0])) >= TAIL_CHARS or (
            self._lines - oldest.count("\n") >= TAIL_LINES
        ):
            self._drop(self._kept.popleft())

    def leave(self) -> None:
        """None of what is kept is to be shown."""
        while self._kept:
            self._drop(self._kept.popleft())

    def trim(self) -> None:
        """Let the oldest begin with a line, so that all is within the bounds."""
        if self._chars <= TAIL_CHARS and self._lines <= TAIL_LINES:
            return
        oldest = self._kept.popleft()
        text = _text(oldest)
        self._drop(oldest)
        lines = text[-(TAIL_CHARS - self._chars) :].split("\n")
        kept = "\n".join(lines[1:][-(TAIL_LINES - self._lines) :]) if len(lines) > 1 else lines[0]
        self.left_bytes -= _size_of(kept)
        self._kept.appendleft(Message("stream", {**oldest.content, "text": kept}))

    def take(self) -> list[Message]:
        """What is kept, as messages to show."""
        kept, self._kept = list(self._kept), deque()
        return kept

    def _drop(self, message: Message) -> None:
        text = _text(message)
        self._chars -= len(text)
        self._lines -= text.count("\n")
        self.left_bytes += _size_of(text)


def _size_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def _text(message: Message) -> str:
    return str(message.content.get("text", ""))
