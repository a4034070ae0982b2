"""A Jupyter server before an executor. Where the extra `lab` is not installed there is nothing to test."""

from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes.far_node import FarNode
from tests.unit.executor.service import MovedClock, Service, serving, settings_for

if TYPE_CHECKING:
    from tests.unit.jupyter.server import JupyterServer

collect_ignore_glob = [] if find_spec("jupyter_server") else ["test_*.py"]


@pytest.fixture
def node() -> FarNode:
    return FarNode(("H100", "H100"))


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
async def service(tmp_path: Path, node: FarNode, clock: MovedClock) -> AsyncIterator[Service]:
    async with serving(settings_for(tmp_path / "executor"), clock=clock) as made:
        await made.join(node)
        yield made


@pytest.fixture
async def server(tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch) -> "AsyncIterator[JupyterServer]":
    """A Jupyter server before `service`."""
    from tests.unit.jupyter.server import jupyter_server

    monkeypatch.setenv("FARCELL_URL", f"unix://{service.socket_path}")
    monkeypatch.setenv("FARCELL_TOKEN", service.token)
    async with jupyter_server(tmp_path / "jupyter", monkeypatch) as made:
        yield made
