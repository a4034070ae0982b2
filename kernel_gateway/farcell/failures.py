"""What a cell raises here: the far code's own exception, an interrupt, or a refusal, each shown exactly once.

IPython shows an exception by its `_render_traceback_` where it has one; so the traceback a person sees is the
far one, beginning at their line, and none of our frames.
"""

import bdb
from typing import Any

from farcell.seen import Seen
from farcell_protocol.errors import Cancelled, FarcellError, RunFailure, SessionEnded, error_from
from farcell_protocol.frames import SHOWN, Message
from farcell_protocol.messages.api import RunView


class FarError(Exception):
    """The far code raised: `ename`, `evalue` and `traceback` (lines, coloured) are as they were there.

    Raised as a class of the same name as the far one, whose base this is."""

    def __init__(self, ename: str, evalue: str, traceback: list[str]) -> None:
        super().__init__(evalue)
        self.ename = ename
        self.evalue = evalue
        self.traceback = traceback

    def __str__(self) -> str:
        return self.evalue

    def __reduce__(self) -> tuple[Any, ...]:
        return far_error, (self.ename, self.evalue, self.traceback, isinstance(self, bdb.BdbQuit))

    def _render_traceback_(self) -> list[str]:
        return self.traceback


class FarInterrupt(KeyboardInterrupt):
    """The stop button was pressed while a far cell ran; as with a local one, "run all" ends here."""

    def __init__(self, message: str = "", traceback: list[str] | None = None) -> None:
        super().__init__(message)
        self.traceback = traceback or []

    def _render_traceback_(self) -> list[str]:
        return self.traceback or [f"KeyboardInterrupt: {self}"]


class CellSyntaxError(Exception):
    """The cell cannot be compiled. Found here, before anything was sent; shown as IPython shows a syntax error."""

    def __init__(self, error: Exception, lines: list[str]) -> None:
        super().__init__(str(error))
        self.error = error
        self._lines = lines

    def _render_traceback_(self) -> list[str]:
        return self._lines


def syntax_error(error: Exception, lines: list[str]) -> CellSyntaxError:
    """Under the name that the front end prints: a TabError is one too, and code may nest too deep to be compiled."""
    kind: type[CellSyntaxError] = type(type(error).__name__, (CellSyntaxError,), {"__module__": "farcell"})
    return kind(error, lines)


def far_error(ename: str, evalue: str, traceback: list[str], shown: bool = False) -> FarError:
    """The far exception under its own name. One that has been shown is a `BdbQuit` too: that is what IPython takes
    as a failure of the cell and shows nothing of."""
    bases = (FarError, bdb.BdbQuit) if shown else (FarError,)
    kind: type[FarError] = type(ename, bases, {"__module__": "farcell", "__doc__": f"A {ename} raised by far code."})
    return kind(ename, evalue, traceback)


_NO_WORD = "the far cell failed without saying how"


def is_shown(error: Message) -> bool:
    """Whether an `error` message only says how the cell failed, and shows nothing."""
    return bool(error.metadata.get(SHOWN))


def error_of(message: Message | None, shown: bool = False) -> FarError:
    """The exception that an `error` message describes; without one, that there was none is said."""
    content = message.content if message is not None else {}
    return far_error(
        str(content.get("ename") or "FarError"),
        str(content.get("evalue", _NO_WORD)),
        [str(line) for line in content.get("traceback", [f"FarError: {_NO_WORD}"])],
        shown,
    )


def interrupt_of(message: Message | None, text: str) -> FarInterrupt:
    """What the stop button raises, with the far traceback if there is one."""
    traceback = [str(line) for line in message.content.get("traceback", [])] if message is not None else []
    return FarInterrupt(text, traceback)


def readable(error: FarcellError, before: Message | None = None) -> FarcellError:
    """The same error, shown by IPython as its text and its code instead of by our frames; after the far traceback of
    `before`, an `error` message, if there is one. What is readable already stays as it is."""
    if hasattr(error, "_render_traceback_"):
        return error
    lines = [f"{type(error).__name__}: {error.message}", f"({error.code})"]
    if before is not None:
        lines = [*(str(line) for line in before.content.get("traceback", [])), *lines]
    # On the instance, so that the class stays the protocol's, which knows nothing of IPython.
    error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]
    return error


def raise_if_never_queued(view: RunView | None) -> None:
    """Raise what kept a run out of its session's queue: the session it relies on is gone, and nothing has run."""
    if view is None or view.outcome != "refused" or view.reason is None or view.reason.code != SessionEnded.code:
        return
    raise error_from(view.reason)


def raise_outcome(seen: Seen) -> None:
    """Raise what the cell's end calls for; nothing after a good one."""
    outcome, reason = seen.outcome, seen.reason
    if seen.presses:
        raise interrupt_of(seen.error, reason.message if reason else "interrupted")
    if outcome == "ok":
        return
    if outcome == "error":
        raise error_of(seen.error, seen.error_is_shown)
    if reason is not None:
        raise readable(error_from(reason), None if seen.error_is_shown else seen.error)
    kind = Cancelled if outcome == "cancelled" else RunFailure
    raise kind(f"run {seen.run} ended as {outcome or 'unknown'} without a reason", run=seen.run)
