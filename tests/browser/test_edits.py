"""What people do to cells: far ones that are deleted or stopped while they run, and ones that nobody may edit."""

import json
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.lab import Lab, LabPage

pytestmark = [pytest.mark.system, pytest.mark.timeout(120), pytest.mark.xdist_group("browser")]

SLOW = 30_000
"""Milliseconds within which anything that needs executor, kernel and browser has happened."""

NOTEBOOK = "jupyterapp.shell.currentWidget.content"
COUNTS = """%%gpu cpu
import itertools, pathlib, time
for line in itertools.count():
    print('line', line, flush=True)
    time.sleep(0.1)
    if pathlib.Path('{gate}').exists():
        break
print('the end')"""


@pytest.fixture
def pages() -> Iterator[list[LabPage]]:
    opened: list[LabPage] = []
    yield opened
    for one in opened:
        one.page.close()


Open = Callable[..., LabPage]


@pytest.fixture
def running(lab: Lab, browser: Browser, pages: list[LabPage]) -> Open:
    """Opens a new notebook of that name that has farcell and these cells, and runs the first of them."""

    def opened(name: str, *cells: str) -> LabPage:
        lab.add_notebook(name, "%load_ext farcell", *cells)
        page = lab.open(browser, name)
        pages.append(page)
        page.kernel_is_ready()
        run_cell(page, 0)
        run_cell(page, 1)
        return page

    return opened


def cell(opened: LabPage, index: int) -> Locator:
    return opened.page.locator(".jp-Notebook .jp-CodeCell").nth(index)


def run_cell(opened: LabPage, index: int) -> None:
    opened.page.evaluate(f"at => {{ {NOTEBOOK}.activeCellIndex = at }}", index)
    opened.command("notebook:run-cell")


def test_a_cell_that_was_deleted_while_it_ran_is_live_again_once_that_is_undone(lab: Lab, running: Open) -> None:
    opened = running("deleted.ipynb", COUNTS.format(gate="deleted.gate"), "'below'")
    expect(cell(opened, 1).get_by_text("line 3\n")).to_be_visible(timeout=SLOW)
    opened.page.evaluate(f"() => {NOTEBOOK}.model.sharedModel.deleteCell(1)")
    expect(cell(opened, 1).get_by_text("'below'")).to_be_visible()
    opened.page.evaluate(f"() => {NOTEBOOK}.model.sharedModel.undo()")
    # It is shown while it runs, not at its end only.
    seen = cell(opened, 1).locator(".jp-OutputArea-output").last.inner_text().count("\n")
    expect(cell(opened, 1).get_by_text(f"line {seen + 20}\n")).to_be_visible(timeout=SLOW)
    (lab.folder / "deleted.gate").touch()
    expect(cell(opened, 1).get_by_text("the end")).to_be_visible(timeout=SLOW)
    expect(cell(opened, 1).locator(".jp-InputPrompt")).not_to_have_text("[*]:", timeout=SLOW)


def test_a_notebook_that_is_renamed_while_it_is_open_keeps_its_headers(running: Open) -> None:
    opened = running("old.ipynb", "%%gpu cpu\n1 + 1", "%%gpu cpu\n2 + 2")
    expect(cell(opened, 1).locator(".fc-Header")).to_contain_text("done", timeout=SLOW)
    opened.page.evaluate("() => jupyterapp.shell.currentWidget.context.rename('new.ipynb')")
    # Its kernel has the old name still.
    run_cell(opened, 2)
    expect(cell(opened, 2).locator(".fc-Header")).to_contain_text("done", timeout=SLOW)
    expect(cell(opened, 1).locator(".fc-Header")).to_contain_text("done")


def test_a_cell_that_the_notebooks_own_button_stops_is_called_stopped(running: Open) -> None:
    opened = running("button.ipynb", COUNTS.format(gate="button.gate"))
    expect(cell(opened, 1).get_by_text("line 3\n")).to_be_visible(timeout=SLOW)
    opened.page.locator('[data-command="notebook:interrupt-kernel"]').first.click()
    expect(cell(opened, 1).locator(".fc-Header")).to_contain_text("stopped", timeout=SLOW)


def test_the_picker_leaves_a_cell_alone_that_nobody_may_edit(lab: Lab, browser: Browser, pages: list[LabPage]) -> None:
    lab.add_notebook("locked.ipynb", "fit()")
    path = lab.folder / "locked.ipynb"
    content = json.loads(path.read_text())
    content["cells"][0]["metadata"] = {"editable": False}
    path.write_text(json.dumps(content))
    opened = lab.open(browser, "locked.ipynb")
    pages.append(opened)
    expect(opened.page.get_by_label("Where this cell runs")).to_be_disabled(timeout=SLOW)
    assert opened.page.evaluate("() => jupyterapp.commands.isEnabled('farcell:set-where', { where: 'any' })") is False
    opened.page.evaluate(f"() => {NOTEBOOK}.activeCell.model.setMetadata('editable', true)")
    expect(opened.page.get_by_label("Where this cell runs")).to_be_enabled()
