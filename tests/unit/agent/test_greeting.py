"""How an agent meets its keeper."""

import os

import pytest

from farcell_agent.greeting import greeting, welcome_in
from farcell_protocol.errors import Forbidden, FramingError, VersionMismatch
from farcell_protocol.framing import pack
from farcell_protocol.messages.keeping import KeeperRefused, Quit, Welcome
from farcell_protocol.version import PROTOCOL


def test_we_say_who_we_are_and_what_we_speak() -> None:
    said = greeting()
    assert (said.protocol, said.pid) == (PROTOCOL, os.getpid())


def test_a_welcome_is_what_the_keeper_has() -> None:
    welcome = Welcome(PROTOCOL, 4711, 0.0, [], [])
    assert welcome_in(pack(welcome)) == welcome


def test_a_refusal_is_raised_as_what_it_is() -> None:
    with pytest.raises(Forbidden, match="not you"):
        welcome_in(pack(KeeperRefused(Forbidden("not you").info())))


def test_a_keeper_of_another_time_is_named() -> None:
    with pytest.raises(VersionMismatch, match="the keeper"):
        welcome_in(pack(Welcome(PROTOCOL + 90, 4711, 0.0, [], [])))


@pytest.mark.parametrize("body", [b"", b"\xc1", pack(Quit())])
def test_anything_else_is_no_answer_of_a_keeper(body: bytes) -> None:
    with pytest.raises(FramingError):
        welcome_in(body)
