"""Fixtures only."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farcell_protocol.messages.keeping import ProcessSpec
from farcell_protocol.places import Places
from tests.fakes.keeper_agent import Agent, KeeperProcess

SMALL_WORKER = Path(__file__).parents[2] / "fakes" / "small_worker.py"


@pytest.fixture(scope="session")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A program that takes the arguments of a Python interpreter and is the small worker."""
    path = tmp_path_factory.mktemp("interpreter") / "python"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{SMALL_WORKER}" "$@"\n')
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "data", tmp_path / "run")


@pytest.fixture
def start_keeper(places: Places) -> Iterator[Callable[..., KeeperProcess]]:
    started: list[KeeperProcess] = []

    def start(environ: dict[str, str] | None = None, **options: float) -> KeeperProcess:
        started.append(KeeperProcess(places, environ, **options))
        return started[-1]

    yield start
    for keeper in started:
        keeper.end()


@pytest.fixture
def keeper(start_keeper: Callable[..., KeeperProcess]) -> KeeperProcess:
    return start_keeper()


@pytest.fixture
def agent(keeper: KeeperProcess) -> Agent:
    return keeper.agent()


@pytest.fixture
def spec(interpreter: str) -> ProcessSpec:
    return ProcessSpec(interpreter, "/", {"SAID": "hello"})
