"""Saying stop to the executor for a cell that must not wait for its answer: the next press may be of another mind."""

import contextvars
import threading
from collections.abc import Callable

from farcell.parties import Steering
from farcell_protocol.errors import FarcellError
from farcell_protocol.ids import RunId

SOON_S = 0.3
"""How long a press is waited with: an executor that is well has answered by then."""


class Stopping:
    """What was said of one run's end, and what came of it."""

    def __init__(self, client: Steering, run: RunId) -> None:
        self._client = client
        self._run = run
        self._times = 0
        self.trouble = ""
        """Why the newest could not be said, or that there is no answer yet; empty when it was heard."""

    def say(self, presses: int) -> None:
        """Interrupt at the first press, cancel at a later one; goes on beside when there is no answer soon.

        A later one does not wait for those before it, which may hang: to cancel includes to interrupt.
        """
        self._times += 1
        number = self._times
        self.trouble = " — no answer yet"
        stop = self._client.interrupt if presses == 1 else self._client.cancel
        # What the client says meanwhile belongs to the cell that is running.
        saying = threading.Thread(
            target=contextvars.copy_context().run, args=(self._say, stop, number), name="farcell stop", daemon=True
        )
        saying.start()
        saying.join(SOON_S)

    def _say(self, stop: Callable[[RunId], None], number: int) -> None:
        trouble = ""
        try:
            stop(self._run)
        except FarcellError as err:
            trouble = f" — could not be said yet: {err.message}"
        if number == self._times:
            self.trouble = trouble
