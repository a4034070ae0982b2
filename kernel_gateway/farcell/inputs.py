"""What a run asks of the user: asked here while its output goes on being shown, the answer told to the run."""

import contextlib
import select
import sys
from collections.abc import Callable
from typing import Any, Protocol

from farcell_protocol.frames import End, Frame, Heard, Message
from farcell_protocol.messages.cells import InputReply


class Question(Protocol):
    """A question the user sees."""

    def answer(self) -> str | None:
        """What was typed, once it was; never waits."""

    def close(self) -> None:
        """Nobody waits for the answer any more."""


class Inputs:
    """The one question that a run may have open. `ask` shows it, or returns None where nobody can answer; then
    `cannot` is called."""

    def __init__(
        self,
        ask: Callable[[str, bool], Question | None],
        reply: Callable[[InputReply], object],
        cannot: Callable[[], object],
    ) -> None:
        self._ask = ask
        self._reply = reply
        self._cannot = cannot
        self._open: tuple[int, Message] | None = None
        self._asked = False
        self._question: Question | None = None

    @property
    def waiting(self) -> bool:
        """Whether the run waits for an answer."""
        return self._open is not None

    def saw(self, number: int, frame: Frame) -> None:
        """A frame of the run: it may ask, or say that it has heard an answer, wherever that was given."""
        match frame:
            case Message(msg_type="input_request"):
                self.stop()
                self._open = number, frame
            case Heard() | End():
                self.stop()

    def look(self, *, caught_up: bool) -> None:
        """Ask, once everything is seen that the run said since, for then nobody has answered yet; pass an answer on."""
        if self._open is None:
            return
        number, message = self._open
        if self._question is not None:
            text = self._question.answer()
            if text is not None:
                self.stop()
                self._reply(InputReply(number, text))
        elif caught_up and not self._asked:
            self._asked = True
            content = message.content
            self._question = self._ask(str(content.get("prompt", "")), bool(content.get("password", False)))
            if self._question is None:
                self._cannot()

    def stop(self) -> None:
        """The question is answered, or nobody asks it any more."""
        question, self._question, self._open, self._asked = self._question, None, None, False
        if question is not None:
            question.close()


class KernelQuestion:
    """Asked of the front end as ipykernel's own `raw_input` and `getpass` ask, but without waiting."""

    def __init__(self, kernel: Any, parent: dict[str, Any], ident: Any, prompt: str, password: bool) -> None:
        import zmq

        self._kernel = kernel
        with contextlib.suppress(zmq.Again):
            while True:  # answers to questions that nobody asks any more
                kernel.stdin_socket.recv_multipart(zmq.NOBLOCK)
        content = {"prompt": prompt, "password": password}
        kernel.session.send(kernel.stdin_socket, "input_request", content, parent, ident=ident)

    def answer(self) -> str | None:
        """What the front end sent; nothing where it sent something else."""
        try:
            _, reply = self._kernel.session.recv(self._kernel.stdin_socket)
        except ValueError:  # of another session
            return None
        return None if reply is None else str(reply["content"].get("value", ""))

    def close(self) -> None:
        """A front end cannot be told; what is still typed there is thrown away before the next question."""


class TerminalQuestion:
    """Asked on the terminal; a line can be read once it is complete."""

    def __init__(self, prompt: str, password: bool) -> None:
        self._before: Any = None
        if password:
            self._hide()
        sys.stdout.write(prompt)
        sys.stdout.flush()

    def _hide(self) -> None:
        import termios

        self._before = termios.tcgetattr(sys.stdin)
        hidden = termios.tcgetattr(sys.stdin)
        hidden[3] &= ~termios.ECHO
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, hidden)

    def answer(self) -> str | None:
        """The line; the end of the input is said as front ends say it."""
        if not select.select([sys.stdin], [], [], 0)[0]:
            return None
        line = sys.stdin.readline()
        return line.removesuffix("\n") if line else "\x04"

    def close(self) -> None:
        """Show again what is typed."""
        if self._before is not None:
            import termios

            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)
            sys.stdout.write("\n")
