"""Whom a watched run has to do with: who shows it, who follows it, who speaks to it, who looks after its widgets."""

from typing import Protocol

from farcell import follow
from farcell.inputs import Question
from farcell.status import Screen
from farcell_protocol.frames import Message
from farcell_protocol.ids import RunId
from farcell_protocol.messages.api import RunView
from farcell_protocol.messages.cells import Told


class OutputScreen(Screen, Protocol):
    """A screen that also shows output."""

    def show(self, message: Message) -> None:
        """Show a Jupyter message of the far side, after whatever was printed here before."""

    def ask(self, prompt: str, password: bool) -> Question | None:
        """Ask the user; None where nobody can answer."""


class Following(Protocol):
    """What is needed of `follow.Follower`."""

    @property
    def run(self) -> RunId:
        """The run it follows."""

    @property
    def last(self) -> int:
        """The newest frame of which everything up to it has been seen whole."""

    def next(self, timeout_s: float | None) -> follow.Event | None:
        """What happened next, or None after `timeout_s`."""

    def close(self) -> None:
        """Follow no more."""

    def leave_the_rest(self) -> None:
        """Take nothing more; the run is about to end."""


class Steering(Protocol):
    """What is needed of the client to stop a run and to tell it something."""

    def interrupt(self, run: RunId) -> None:
        """SIGINT."""

    def cancel(self, run: RunId, grace_s: float = 2.0) -> None:
        """By force."""

    def tell(self, run: RunId, told: Told) -> None:
        """Something it asked for."""


class Comms(Protocol):
    """Who looks after the run's widgets."""

    def see(self, view: RunView) -> None:
        """The run's state is this."""

    def saw(self, message: Message) -> None:
        """It says this of a widget, which is shown next."""

    def caught_up(self) -> None:
        """Everything that it said up to now is shown."""
