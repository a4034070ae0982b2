"""Output that is still on its way when somebody presses stop: shown for a moment, then left to the log.

Code that floods is ahead of what shows it, by minutes where displays are slow. Who presses stop wants the
cell to end, not to watch what was said before.
"""

from collections.abc import Callable
from typing import Any

from farcell_protocol.frames import Message

PATIENCE_S = 0.5
"""How long after a press everything is shown."""

AT_HAND_S = 0.02
"""Whoever waits longer than this for the next output has seen all there was."""


class Backlog:
    """Counts what it leaves out."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._behind_since: float | None = None
        self._characters = 0
        self._displays = 0

    def pressed(self) -> None:
        """Somebody wants the run to stop."""
        if self._behind_since is None:
            self._behind_since = self._clock()

    def waited(self, seconds: float) -> None:
        """The next output was so long in coming; what follows is said by code that goes on."""
        if self._behind_since is not None and seconds > AT_HAND_S:
            self._behind_since = self._clock()

    def leaves_out(self, message: Message) -> bool:
        """Whether this is not to be shown."""
        if self._behind_since is None or self._clock() - self._behind_since < PATIENCE_S:
            return False
        if message.msg_type == "stream":
            self._characters += len(message.content["text"])
        else:
            self._displays += 1
        return True

    def note(self, run: str) -> Message | None:
        """A line for the user on what was left out."""
        if not self._characters and not self._displays:
            return None
        parts = [(self._characters, "characters"), (self._displays, "displays")]
        said = " and ".join(f"{count:,} {what}" for count, what in parts if count)
        text = f"\n[{said} more, made before the stop took effect: farcell logs {run}]\n"
        content: dict[str, Any] = {"name": "stderr", "text": text}
        return Message("stream", content)
