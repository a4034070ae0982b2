"""A browser, and JupyterLab before an executor of the tests' own."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.system.installation import Installation, installation

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser.lab import Lab

collect_ignore_glob = [] if find_spec("playwright") and find_spec("jupyterlab") else ["test_*.py"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("home") / "data") as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    from tests.browser.lab import CHROMIUM, chromium

    if CHROMIUM is None:
        pytest.skip("there is no chromium here: apt-get install chromium")
    with chromium() as made:
        yield made


@pytest.fixture(scope="module")
def lab(home: Installation, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Lab]":
    from tests.browser.lab import jupyter_lab

    with jupyter_lab(home, Path(tmp_path_factory.mktemp("lab"))) as made:
        yield made
