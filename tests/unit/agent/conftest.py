"""A node's folder, whose keeper is the stand-in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from farcell_protocol.places import Places
from tests.fakes.nodes import node_folder


@pytest.fixture
def where(tmp_path: Path) -> Iterator[Places]:
    """The places of a node of the test's own."""
    with node_folder(tmp_path / "data") as made:
        yield made
