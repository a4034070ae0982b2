"""Far cells whose page, kernel or Jupyter server goes away: each line of their output comes back, once and in order."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.lab import TOKEN, Lab, LabPage
from tests.system.installation import Installation, eventually, rest

pytestmark = [pytest.mark.system, pytest.mark.timeout(180), pytest.mark.xdist_group("browser")]

SLOW = 30_000
"""Milliseconds within which anything that needs executor, kernel and browser has happened."""

BEFORE, AFTER = 40, 80
FAR = f"""%%gpu H100
import pathlib, time
for line in range({BEFORE}):
    print('line', line, flush=True)
    time.sleep(0.01)
while not pathlib.Path('{{gate}}').exists():
    time.sleep(0.02)
for line in range({BEFORE}, {AFTER}):
    print('line', line, flush=True)
answer = 42
answer"""
ATTACH = "%load_ext farcell\n%gpu attach\nprint('after', answer)"
WHOLE = "".join(f"line {line}\n" for line in range(AFTER))


@dataclass
class Notebook:
    """A notebook whose second cell runs far away, half of it before and half of it after its gate is opened."""

    lab: Lab
    home: Installation
    browser: Browser
    name: str

    @property
    def gate(self) -> Path:
        return self.lab.folder / f"{self.name}.gate"

    def begin(self) -> LabPage:
        """A page in which the first half has been printed."""
        far = FAR.format(gate=self.gate.name)
        setup, use = "%load_ext farcell\n%gpu simulate H100:16", "print('after', answer)"
        self.lab.add_notebook(f"{self.name}.ipynb", setup, far, use, ATTACH)
        opened = self.open()
        opened.kernel_is_ready()
        run_cell(opened, 0)
        run_cell(opened, 1)
        self.shows_the_first_half(opened)
        return opened

    def open(self, name: str = "") -> LabPage:
        return self.lab.open(self.browser, name or f"{self.name}.ipynb")

    def shows_the_first_half(self, opened: LabPage) -> None:
        last = cell(opened.page).get_by_text(f"line {BEFORE - 1}\n")
        expect(last).to_be_visible(timeout=SLOW)
        expect(prompt(opened.page)).to_have_text("[*]:")

    def finish(self) -> None:
        """Let the second half be printed."""
        self.gate.touch()

    def finish_unseen(self) -> None:
        self.finish()
        eventually(lambda: self.state() == "ended", "the run ends without a page")

    def state(self) -> str:
        runs = rest(self.home.places, "/v1/runs")
        return str(next(run["state"] for run in reversed(runs) if self.name in run["notebook"]))


@pytest.fixture
def notebook(lab: Lab, home: Installation, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Notebook]:
    made = Notebook(lab, home, browser, request.node.name.removeprefix("test_")[:24])
    yield made
    made.finish()
    for context in browser.contexts:
        context.close()


NOTEBOOK = "[...jupyterapp.shell.widgets('main')].find(one => one.content?.widgets)"


RICH = """%%gpu H100
import sys
from IPython.display import HTML, clear_output, display
for step in range(200):
    print(f'\\rstep {step} of 200', end='', flush=True)
print('\\b\\b\\b99')
shown = display('first', display_id=True)
print('warn', file=sys.stderr)
display(HTML('<b>bold</b>'))
shown.update('second')
print('between')
shown.display('again')
1 / 0"""


def cell(page: Page, index: int = 1) -> Any:
    return page.locator(".jp-Notebook .jp-CodeCell").nth(index)


def prompt(page: Page) -> Any:
    return cell(page).locator(".jp-InputPrompt")


def outputs(page: Page) -> list[dict[str, Any]]:
    found = page.evaluate(f"() => {NOTEBOOK}.content.widgets[1].model.outputs.toJSON()")
    assert isinstance(found, list)
    return found


def printed(page: Page) -> str:
    texts = [one["text"] for one in outputs(page) if one["output_type"] == "stream"]
    return "".join(text if isinstance(text, str) else "".join(text) for text in texts)


def is_whole(opened: LabPage) -> None:
    """The cell has ended and shows every line once, its result, and nothing else but quiet lines."""
    expect(prompt(opened.page)).to_have_text("[2]:", timeout=SLOW)
    assert printed(opened.page) == WHOLE
    assert "H100 (simulated)" in outputs(opened.page)[0]["data"]["text/plain"]
    assert [one["output_type"] for one in outputs(opened.page)].count("execute_result") == 1
    expect(cell(opened.page).get_by_text(f"line {AFTER - 1}\n")).to_be_visible()


def stays_empty(opened: LabPage) -> None:
    """The page knows the run and the cell, and what the server says of the name that the run has for its notebook."""
    expect(cell(opened.page)).to_be_visible(timeout=SLOW)
    expect(opened.show_panel().get_by_text("Ended")).to_be_visible(timeout=SLOW)
    opened.page.wait_for_load_state("networkidle")
    assert outputs(opened.page) == []


def run_cell(opened: LabPage, index: int) -> None:
    opened.page.evaluate("at => { jupyterapp.shell.currentWidget.content.activeCellIndex = at }", index)
    opened.command("notebook:run-cell")


def restart_kernel(opened: LabPage) -> None:
    opened.page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    opened.kernel_is_ready()


def binds_by_attaching(opened: LabPage) -> None:
    """What the quiet line says to do brings the run's results."""
    expect(cell(opened.page).get_by_text("%gpu attach r-")).to_be_visible()
    run_cell(opened, 3)
    expect(cell(opened.page, 3).get_by_text("after 42")).to_be_visible(timeout=SLOW)


def test_a_reloaded_page_goes_on_showing_its_cell(notebook: Notebook):
    opened = notebook.begin()
    opened.reload()
    notebook.shows_the_first_half(opened)
    opened.picture("reattach-running")
    opened.use_theme("JupyterLab Dark")
    opened.picture("reattach-running-dark")
    notebook.finish()
    is_whole(opened)
    # The kernel was there all the time and has what came home.
    expect(cell(opened.page).get_by_text("not in this kernel")).to_have_count(0)
    run_cell(opened, 2)
    expect(cell(opened.page, 2).get_by_text("after 42")).to_be_visible(timeout=SLOW)


def test_a_restarted_kernel_leaves_its_cell_running(notebook: Notebook):
    opened = notebook.begin()
    restart_kernel(opened)
    notebook.shows_the_first_half(opened)
    notebook.finish()
    is_whole(opened)
    line = cell(opened.page).get_by_text("answer, line: not in this kernel yet")
    expect(line).to_be_visible()
    line.scroll_into_view_if_needed()
    opened.picture("reattach-ended")
    binds_by_attaching(opened)


def test_the_stop_button_reaches_a_cell_whose_kernel_was_restarted(notebook: Notebook):
    opened = notebook.begin()
    restart_kernel(opened)
    notebook.shows_the_first_half(opened)
    opened.page.locator('[data-command="notebook:interrupt-kernel"]').first.click()
    expect(cell(opened.page).get_by_text("KeyboardInterrupt").first).to_be_visible(timeout=SLOW)
    expect(prompt(opened.page)).to_have_text("[2]:", timeout=SLOW)
    assert notebook.state() == "ended"


def test_both_of_two_pages_show_all_of_it(notebook: Notebook):
    first = notebook.begin()
    second = notebook.open()
    notebook.shows_the_first_half(second)
    notebook.finish()
    is_whole(second)
    is_whole(first)


def test_a_restarted_jupyter_server_leaves_its_cells_running(notebook: Notebook):
    opened = notebook.begin()
    notebook.lab.restart()
    # With its server the notebook has lost its kernel, and JupyterLab says so.
    opened.reload()
    notebook.shows_the_first_half(opened)
    opened.kernel_is_ready()
    notebook.finish()
    is_whole(opened)
    binds_by_attaching(opened)


def test_a_page_that_stays_open_outlives_its_server(notebook: Notebook):
    opened = notebook.begin()
    notebook.lab.restart()
    notebook.finish()
    is_whole(opened)


def test_what_nobody_has_seen_is_there_when_the_notebook_is_opened(notebook: Notebook):
    notebook.begin().page.close()
    notebook.finish_unseen()
    opened = notebook.open()
    is_whole(opened)
    expect(cell(opened.page).get_by_text("not in a kernel that was started since")).to_be_visible()
    # Nothing was saved, so nothing may be taken as seen.
    opened.reload()
    is_whole(opened)
    opened.page.evaluate("() => jupyterapp.shell.currentWidget.context.save()")
    # What a person clears and saves stays cleared.
    opened.page.evaluate("() => jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    opened.page.evaluate("() => jupyterapp.shell.currentWidget.context.save()")
    opened.reload()
    stays_empty(opened)


def test_a_renamed_notebook_gets_its_output_and_a_copy_does_not(notebook: Notebook):
    notebook.begin().page.close()
    notebook.finish_unseen()
    original, copy = notebook.lab.folder / f"{notebook.name}.ipynb", notebook.lab.folder / "copy.ipynb"
    copy.write_bytes(original.read_bytes())
    opened = notebook.open("copy.ipynb")
    stays_empty(opened)
    opened.page.close()
    original.rename(notebook.lab.folder / "renamed.ipynb")
    is_whole(notebook.open("renamed.ipynb"))


def test_a_filled_cell_shows_what_its_kernel_would_have_shown(notebook: Notebook):
    notebook.lab.add_notebook("rich.ipynb", "%load_ext farcell\n%gpu simulate H100:16", RICH)
    opened = notebook.open("rich.ipynb")
    opened.kernel_is_ready()
    opened.command("notebook:run-all-cells")
    expect(cell(opened.page).get_by_text("ZeroDivisionError").first).to_be_visible(timeout=SLOW)
    expect(prompt(opened.page)).to_have_text("[2]:", timeout=SLOW)
    by_kernel = without_lines(opened)
    opened.reload()
    expect(cell(opened.page).get_by_text("ZeroDivisionError").first).to_be_visible(timeout=SLOW)
    expect(prompt(opened.page)).to_have_text("[2]:", timeout=SLOW)
    assert without_lines(opened) == by_kernel


def without_lines(opened: LabPage) -> list[dict[str, Any]]:
    """The outputs but the quiet lines of ours."""
    return [one for one in outputs(opened.page) if "<small" not in str(one.get("data", {}).get("text/html", ""))]


def test_the_notebook_application_fills_cells_too(notebook: Notebook):
    notebook.begin().page.close()
    page = notebook.browser.new_page()
    page.goto(f"{notebook.lab.url}/notebooks/{notebook.name}.ipynb?token={TOKEN}")
    expect(cell(page).get_by_text(f"line {BEFORE - 1}\n")).to_be_visible(timeout=SLOW)
    expect(prompt(page)).to_have_text("[*]:")
    notebook.finish()
    expect(cell(page).get_by_text(f"line {AFTER - 1}\n")).to_be_visible(timeout=SLOW)
    expect(prompt(page)).to_have_text("[2]:", timeout=SLOW)
    page.close()
