"""What an error tells the user to type can be typed."""

import re

from farcell.options import parse_command
from farcell_host.rest import refusal
from farcell_host.target import Target


def test_who_comes_without_a_token_is_told_a_command_that_is_understood() -> None:
    error = refusal(Target("https://host:8765", None, False), 401, b"")
    advised = re.search(r"%gpu (.+?),", error.message)
    assert advised is not None
    command = parse_command(advised[1])
    assert (command.verb, command.target, command.token_file) == ("connect", "https://host:8765", "FILE")
