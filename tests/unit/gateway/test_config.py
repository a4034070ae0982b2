"""Where settings come from."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from farcell import config
from farcell.config import target
from farcell.versions import is_older
from farcell_host.target import Target
from farcell_protocol.backoff import Backoff


@pytest.fixture(autouse=True)
def nothing_chosen() -> Iterator[None]:
    config.connect(None)
    yield
    config.connect(None)


def test_what_was_connected_to_comes_before_the_environment_and_that_before_the_embedded_one() -> None:
    environ = {"HOME": "/home/u", "FARCELL_URL": "http://10.0.0.1:8765/", "FARCELL_TOKEN": "t"}
    assert target({"HOME": "/home/u"}).embedded
    assert target(environ) == Target("http://10.0.0.1:8765", "t", embedded=False)
    config.connect("https://farcell.example.org", "other")
    assert target(environ) == Target("https://farcell.example.org", "other", embedded=False)
    config.connect(None)
    assert target(environ).token == "t"


def test_the_embedded_executors_socket_lies_where_its_data_directory_says() -> None:
    made = target({"HOME": "/home/u", "FARCELL_DATA": "/data"})
    assert made == Target("unix:///data/run/executor.sock", None, embedded=True)
    assert made.socket_path == "/data/run/executor.sock"


@pytest.mark.parametrize(
    ("version", "than", "expected"),
    [
        ("0.1.0", "0.1", False),
        ("0.1", "0.1.1", True),
        ("0.9", "0.10", True),
        ("0.2.0.dev3", "0.2.0", True),
        ("0.2.0rc1", "0.2.0", True),
        ("0.2.0", "0.2.0.dev3", False),
        ("0.2.0+local", "0.2.0", False),
        ("0.2.0.post1", "0.2.0", False),
        ("strange", "0.1", False),
    ],
)
def test_which_version_is_older(version: str, than: str, expected: bool) -> None:
    assert is_older(version, than) is expected


def test_the_first_retry_is_at_once_and_the_waits_grow_up_to_a_limit() -> None:
    backoff = Backoff(0.05, 5.0, at_once=True, chance=lambda: 1.0)
    waits = [backoff.next_delay_s() for _ in range(2000)]
    assert waits[:4] == [0.0, 0.05, 0.1, 0.2]
    assert waits == sorted(waits)
    assert waits[-1] == 5.0
    backoff.reset()
    assert backoff.next_delay_s() == 0.0


def test_two_clients_do_not_wait_alike() -> None:
    hasty, patient = (Backoff(0.05, at_once=True, chance=lambda luck=luck: luck) for luck in (0.0, 1.0))
    assert [hasty.next_delay_s(), hasty.next_delay_s()] != [patient.next_delay_s(), patient.next_delay_s()]


def test_importing_farcell_brings_in_nothing_heavy() -> None:
    code = (
        "import sys, ipykernel.ipkernel; before = set(sys.modules); import farcell, farcell.client;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert not {"websockets", "litestar", "uvicorn", "httpx", "rich", "typer", "sqlalchemy", "cloudpickle"} & set(
        said.stdout.split()
    )
