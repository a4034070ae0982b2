"""A served executor with one node, and a data directory with processes, for tests that need no other."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from farcell_protocol.places import places
from tests.fakes.far_node import FarNode
from tests.unit.executor.home import Home
from tests.unit.executor.service import MovedClock, Service, serving, settings_for


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def node() -> FarNode:
    return FarNode(("H100", "H100"))


@pytest.fixture
async def service(tmp_path: Path, node: FarNode, clock: MovedClock) -> AsyncIterator[Service]:
    async with serving(settings_for(tmp_path), clock=clock) as made:
        await made.join(node)
        yield made


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(places(tmp_path / "data", {}, os.getuid()))
    yield made
    made.farcell("stop")
    for process in made.started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)
