"""The lines behind `%%gpu` and `%gpu`."""

import pytest

from farcell.completion import Known, complete
from farcell.options import Command, OptionError, parse_command, parse_options
from farcell_protocol.errors import BadSpec


@pytest.mark.parametrize(
    ("line", "gpu", "rest"),
    [
        ("", "any", ("", False, None, False)),
        ("cpu", "cpu", ("", False, None, False)),
        ("h100:2", "H100:2", ("", False, None, False)),
        ("A100,H100 --session train --detach", "A100,H100", ("train", False, None, True)),
        ("--once H100 --timeout 10m", "H100", ("", True, 600.0, False)),
        ("H100 --timeout=1.5h --session='my run'", "H100", ("my run", False, 5400.0, False)),
        ("'RTX 4090' --timeout 90", "RTX 4090", ("", False, 90.0, False)),
    ],
)
def test_a_line_is_read(line: str, gpu: str, rest: tuple[str, bool, float | None, bool]) -> None:
    options = parse_options(line)
    assert (str(options.gpu), (options.session, options.once, options.timeout_s, options.detach)) == (gpu, rest)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--sesion x", "did you mean --session"),
        ("--wibble", "there is no option --wibble. The form is"),
        ("--session", "needs a value"),
        ("--session --once", "needs a value"),
        ("--session ''", "needs a value"),
        ("--session s-1", "cannot name a session"),
        ("--once=yes", "takes no value"),
        ("--timeout 0", "not a duration"),
        ("--timeout soon", "not a duration"),
        ("--timeout -5", "needs a value"),
        ("A100, H100", "one specification only"),
        ("'H100", "no closing quotation"),
        ("--once --session x", "without --session"),
    ],
)
def test_what_cannot_be_read_says_what_could_be(line: str, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        parse_options(line)


@pytest.mark.parametrize("line", ['"H100 "', "H100:0", "H100:-1", "H100:x", "cpu:2", "7"])
def test_a_bad_specification_is_one(line: str) -> None:
    with pytest.raises(BadSpec):
        parse_options(line)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("", Command("status")),
        ("sessions", Command("sessions")),
        ("stop --all", Command("stop", "--all")),
        ("use", Command("use")),
        (" use H100:2 --timeout 10m ", Command("use", "H100:2 --timeout 10m")),
        ("vars", Command("vars")),
        ("vars  # what's where", Command("vars")),
        ("connect http://h:1/#part", Command("connect", "http://h:1/#part")),
        ("attach r-1", Command("attach", "r-1")),
        ("simulate H100:2", Command("simulate", "H100:2")),
        ("connect https://h:1 --token-file f", Command("connect", "https://h:1", "f")),
        ("connect --token-file f https://h:1", Command("connect", "https://h:1", "f")),
    ],
)
def test_a_command_is_read(line: str, command: Command) -> None:
    assert parse_command(line) == command


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("stpo", "did you mean stop"),
        ("H100", "two percent signs"),
        ("simulate", "needs a GPU"),
        ("connect", "needs an address"),
        ("connect u --token-file", "name of a file"),
        ("status now", "does not understand 'now'"),
        ("stop --hard", "no option --hard"),
        ("attach --all", "no option --all"),
    ],
)
def test_a_wrong_command_says_what_is_right(line: str, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        parse_command(line)


@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("%%gpu ", {"cpu", "H100", "--session", "--once", "--timeout", "--detach"}),
        ("%%gpu H1", {"cpu", "H100", "--session", "--once", "--timeout", "--detach"}),
        ("%%gpu H100 --once --", {"--session", "--timeout", "--detach"}),
        ("%%gpu --session ", {"train"}),
        ("%gpu at", {"status", "use", "vars", "sessions", "stop", "attach", "simulate", "connect", "logs"}),
        ("%gpu use ", {"local", "cpu", "H100", "--session", "--timeout", "--once", "--detach"}),
        ("%gpu use H100 --session ", {"train"}),
        ("%gpu use H100 --once --", {"--session", "--timeout", "--detach"}),
        ("%gpu vars ", set()),
        ("%gpu stop ", {"r-1", "s-1", "train", "--all"}),
        ("%gpu attach r", {"r-1"}),
        ("%gpu status ", set()),
        ("%gpu", set()),
    ],
)
def test_completion_offers_what_may_come_next(line: str, offers: set[str]) -> None:
    assert set(complete(line, Known(["H100"], ["s-1"], ["train"], ["r-1"]))) == offers
