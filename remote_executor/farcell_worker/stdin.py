"""`input()` of a cell: a frame that asks, and an answer that the waiting cell itself reads from the socket."""

import os
import select
import threading
from contextlib import suppress

from IPython.core.error import StdinNotImplementedError

from farcell_protocol.frames import Message
from farcell_worker.inlet import Inlet
from farcell_worker.outbox import MESSAGE_CHARS, Outbox

_END_OF_FILE = "\x04"


class Stdin:
    """Asks the user. One question at a time, from the main thread of the cell that is open."""

    def __init__(self, outbox: Outbox, inlet: Inlet) -> None:
        self._outbox = outbox
        self._inlet = inlet
        self._answers: dict[int, str] = {}
        self._wake_fd = -1
        self._forked = False

    def start(self) -> None:
        """In the process that serves."""
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def after_fork(self) -> None:
        """In a process that a user's code forked: the user is not its to ask."""
        self._forked = True

    def ask(self, prompt: str, *, password: bool) -> str:
        """What the user typed, without the newline. KeyboardInterrupt comes out of it at once.

        Raises:
            EOFError: the user ended the input.
            StdinNotImplementedError: nobody can be asked from here.
        """
        if self._forked or threading.current_thread() is not threading.main_thread():
            raise StdinNotImplementedError(
                "input() works in a far cell's main thread only, not in its threads, child processes and widget "
                "callbacks: ask in the cell, and hand the answer over"
            )
        self._answers.clear()
        content = {"prompt": prompt[-MESSAGE_CHARS:], "password": password}
        number = self._outbox.post_numbered(Message("input_request", content))
        if not number:
            raise StdinNotImplementedError("input() works in a far cell only while the cell runs")
        answer = self._wait_for(number)
        if answer == _END_OF_FILE:
            raise EOFError
        return answer

    def reply(self, request: int, value: str) -> None:
        """The answer to the question that was frame `request` of the open cell; any thread."""
        self._answers[request] = value
        os.eventfd_write(self._wake_fd, 1)

    def _wait_for(self, number: int) -> str:
        poll = select.poll()
        # Another thread may be the one that reads the answer.
        for fd in (self._inlet.fileno(), self._wake_fd):
            poll.register(fd, select.POLLIN)
        while number not in self._answers:
            poll.poll()
            self._inlet.receive()
            with suppress(BlockingIOError):
                os.eventfd_read(self._wake_fd)
        return self._answers.pop(number)
