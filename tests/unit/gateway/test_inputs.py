"""Questions on a terminal: a line is read when it is complete, and a password is not shown."""

import os
import select
import sys
import termios
import time
from collections.abc import Iterator

import pytest

from farcell.inputs import TerminalQuestion


class Terminal:
    """A terminal with somebody at the other end."""

    def __init__(self, person: int) -> None:
        self._person = person

    def types(self, text: str) -> None:
        os.write(self._person, text.encode())

    def shows(self) -> str:
        """What is on it that was not read yet."""
        found = b""
        while select.select([self._person], [], [], 0)[0]:
            found += os.read(self._person, 1000)
        return found.decode()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    person, program = os.openpty()
    with os.fdopen(program, "r+b", buffering=0) as raw, open(os.dup(raw.fileno())) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield Terminal(person)
    os.close(person)


def answer_to(question: TerminalQuestion) -> str:
    deadline = time.monotonic() + 10
    while (answer := question.answer()) is None:
        assert time.monotonic() < deadline
    return answer


def test_a_line_typed_on_the_terminal_is_the_answer(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    question = TerminalQuestion("name? ", password=False)
    assert capsys.readouterr().out == "name? "
    assert question.answer() is None
    terminal.types("Ada\n")
    assert answer_to(question) == "Ada"
    question.close()


def test_a_password_is_not_shown_and_what_is_typed_after_it_is_again(terminal: Terminal) -> None:
    question = TerminalQuestion("pin: ", password=True)
    terminal.types("1234\n")
    assert answer_to(question) == "1234"
    question.close()
    assert "1234" not in terminal.shows()
    assert termios.tcgetattr(sys.stdin)[3] & termios.ECHO


def test_the_end_of_the_input_is_said_as_front_ends_say_it(terminal: Terminal) -> None:
    question = TerminalQuestion("name? ", password=False)
    terminal.types("\x04")
    assert answer_to(question) == "\x04"
