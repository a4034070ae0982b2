"""Fixtures of the tests that run real executors, agents, keepers, workers and kernels."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.installation import Installation, installation
from tests.system.notebooks import Notebook, notebook


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Installation]:
    """An installation of the test's own; nothing of it runs afterwards."""
    with installation(tmp_path / "data") as made:
        yield made


@pytest.fixture
def kernel(home: Installation, tmp_path: Path) -> Iterator[Notebook]:
    """A notebook kernel that uses the embedded executor of `home`."""
    with notebook(home.environment, tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One installation for all tests of a module that leave it as they found it."""
    with installation(tmp_path_factory.mktemp("home") / "data") as made:
        yield made


@pytest.fixture(scope="module")
def shared_kernel(shared_home: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    """One notebook kernel for all tests of a module."""
    with notebook(shared_home.environment, tmp_path_factory.mktemp("notebook")) as opened:
        yield opened
