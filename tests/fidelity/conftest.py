"""One pair of kernels for all cells of a module."""

from collections.abc import Iterator

import pytest

from tests.fidelity.pairs import Pair, pair
from tests.system.installation import installation


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A plain kernel and one whose cells run in the embedded executor's worker."""
    folder = tmp_path_factory.mktemp("fidelity")
    with installation(folder / "data") as home, pair(home, folder) as opened:
        yield opened
