"""What is left of a run when it was watched to its end."""

from dataclasses import dataclass, field

from farcell_protocol.errors import ErrorInfo
from farcell_protocol.frames import End, Message, ValueBack
from farcell_protocol.ids import RunId
from farcell_protocol.messages.api import RunView


@dataclass
class Seen:
    """All that a run said that is not output: how it ended, its error, the values it sent home."""

    run: RunId
    view: RunView | None = None
    end: End | None = None
    error: Message | None = None
    error_is_shown: bool = False
    """The last error has been shown where it stood, since more followed it or its text came as output."""
    values: list[ValueBack] = field(default_factory=list)
    presses: int = 0

    @property
    def outcome(self) -> str | None:
        """How it ended. The executor has the last word: it knows whether an error is that of a stop."""
        return (self.view.outcome if self.view else None) or (self.end.outcome if self.end else None)

    @property
    def reason(self) -> ErrorInfo | None:
        """Why it ended so, where there is more to say than the error that it raised."""
        return (self.view.reason if self.view else None) or (self.end.reason if self.end else None)
