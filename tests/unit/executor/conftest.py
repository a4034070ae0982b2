"""A served executor with one node, for tests that need no other."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.far_node import FarNode
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
