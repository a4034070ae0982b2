"""The way from a cell in the side panel to its notebook, where the server's folder is below the home directory.

There JupyterLab tells a page of that folder with "~", so only the server knows where a notebook's path leads.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from farcell_jupyter.messages import Up
from farcell_protocol.messages import api
from tests.browser import stage
from tests.browser.lab import Lab
from tests.system.installation import Installation, installation

pytestmark = [pytest.mark.system, pytest.mark.timeout(180), pytest.mark.xdist_group("browser")]

DEEP = "deep/train.ipynb"
ALIKE = "train.ipynb"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    above = str(tmp_path_factory.getbasetemp())
    with installation(tmp_path_factory.mktemp("home") / "data", HOME=above) as made:
        yield made


def running_in(notebook: Path) -> list[api.Fleet | Up]:
    now = time.time()
    session = api.SessionView("s-1", "", str(notebook), "H100", "ready", now)  # type: ignore[arg-type]
    run = api.RunView("r-1", "s-1", "running", "fit(model)", "H100", str(notebook), "c1", now)  # type: ignore[arg-type]
    return [Up(), api.Fleet(sessions=[session], runs=[run], whole=True)]


def test_a_cell_is_found_in_its_own_notebook_and_not_in_another_of_that_name(lab: Lab, browser: Browser):
    (lab.folder / "deep").mkdir()
    lab.add_notebook(ALIKE, "first", "not this one")
    lab.add_notebook(DEEP, "first", "fit(model)")
    opened = lab.open(browser)
    stage.play(opened.page, *running_in(lab.folder / DEEP))
    lab.show(opened.page, ALIKE)
    panel = opened.show_panel()
    title = panel.get_by_role("button", name="fit(model)", exact=True)
    expect(title).to_be_visible()
    expect(panel.get_by_text("This notebook")).to_have_count(0)
    title.click()
    expect(opened.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-mod-active")).to_contain_text("fit(model)")
    expect(panel.get_by_text("This notebook")).to_be_visible()
