"""What far cells look like in a notebook, in a real browser: their headers, the picker, and completion."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, WebSocketRoute, expect

from tests.browser.axe import grave_violations
from tests.browser.lab import TOKEN, Lab, LabPage
from tests.system.installation import Installation, installation

pytestmark = [pytest.mark.system, pytest.mark.timeout(180), pytest.mark.xdist_group("browser")]

SLOW = 20_000
"""Milliseconds within which anything that needs the executor has happened."""

LOOP = "import time\nfor step in range(1000):\n    print('step', step, flush=True)\n    time.sleep(0.1)"

TRAIN = """%%gpu H100 --once
import time
for epoch in range(90):
    print(f"epoch {epoch:2}   loss {1 / (epoch + 1):.3f}", flush=True)
    time.sleep(0.7)"""

DEAF = """import time
while True:
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        print('no')"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An executor with two simulated GPUs from the beginning."""
    with installation(tmp_path_factory.mktemp("home") / "data", FARCELL_SIMULATE="H100:2") as made:
        yield made


@pytest.fixture
def pages() -> Iterator[list[LabPage]]:
    """What a test opened; closed after it."""
    opened: list[LabPage] = []
    yield opened
    for page in opened:
        page.page.close()


def cell(opened: LabPage, number: int) -> Locator:
    return opened.page.locator(".jp-Notebook .jp-Cell").nth(number)


def header(opened: LabPage, number: int) -> Locator:
    return cell(opened, number).locator(".fc-Header")


def picker(opened: LabPage) -> Locator:
    return opened.page.get_by_label("Where this cell runs")


def source(opened: LabPage, number: int) -> str:
    """The text of a cell."""
    return str(
        opened.page.evaluate(
            "n => jupyterapp.shell.currentWidget.content.widgets[n].model.sharedModel.getSource()", number
        )
    )


def activate(opened: LabPage, number: int, mode: str = "command") -> None:
    opened.page.wait_for_function("() => jupyterapp.shell.currentWidget?.content?.widgets?.length > 0")
    opened.page.evaluate(
        """([n, mode]) => {
            const {content} = jupyterapp.shell.currentWidget;
            content.activeCellIndex = n;
            content.mode = mode;
            content.activate();
        }""",
        [number, mode],
    )


def reload(opened: LabPage) -> None:
    """The page again, with the same notebook."""
    opened.page.reload()
    opened.page.wait_for_function("() => window.jupyterapp?.restored.then(() => true)")


def test_a_header_runs_through_a_cells_life_and_survives_reloads(
    lab: Lab, browser: Browser, pages: list[LabPage]
) -> None:
    one, two = f"%%gpu H100 --once\n{LOOP}", f"%%gpu H100:2 --once\n{LOOP}"
    lab.add_notebook("life.ipynb", "%load_ext farcell", one, two, "1 + 1")
    opened = lab.open(browser, "life.ipynb")
    pages.append(opened)
    expect(header(opened, 1)).to_contain_text("H100not run yet", timeout=SLOW)
    expect(header(opened, 2)).to_contain_text("2 × H100not run yet")
    expect(header(opened, 3)).to_be_hidden()
    opened.picture("cell-new")

    opened.kernel_is_ready()
    opened.command("notebook:run-all-cells")
    expect(header(opened, 1).get_by_role("status")).to_have_text("running", timeout=SLOW)
    expect(header(opened, 1)).to_contain_text("H100simulated")
    expect(header(opened, 1).get_by_role("timer")).to_contain_text("s")
    expect(header(opened, 2).get_by_role("status")).to_have_text("waiting")
    # The line among the outputs would say the same again.
    expect(cell(opened, 1).get_by_text("running on H100")).to_be_hidden()
    expect(cell(opened, 1).get_by_text("step 3")).to_be_visible()
    opened.picture("cell-running")
    opened.use_theme("JupyterLab Dark")
    opened.picture("cell-running-dark")
    opened.use_theme("JupyterLab Light")

    opened.command("docmanager:save")
    opened.page.wait_for_function("() => !jupyterapp.shell.currentWidget.context.model.dirty")
    reload(opened)
    expect(header(opened, 1).get_by_role("status")).to_have_text("running", timeout=SLOW)
    header(opened, 1).get_by_role("button", name="Stop this cell").click()
    expect(header(opened, 1).get_by_role("status")).to_have_text("stopped", timeout=SLOW)
    expect(header(opened, 1).get_by_role("button")).to_have_count(0)

    reload(opened)
    expect(header(opened, 1).get_by_role("status")).to_have_text("stopped", timeout=SLOW)
    expect(header(opened, 1)).to_contain_text("H100simulated")
    expect(header(opened, 2)).to_contain_text("2 × H100not run yet")
    opened.picture("cell-reloaded")


def test_headers_tell_at_a_glance_what_ran_runs_and_waits(lab: Lab, browser: Browser, pages: list[LabPage]) -> None:
    load = "%%gpu cpu --once\nrows = list(range(10_000))\nlen(rows)"
    lab.add_notebook("glance.ipynb", "%load_ext farcell", load, TRAIN, "%%gpu H100:2\nevaluate(rows)", "rows[:3]")
    opened = lab.open(browser, "glance.ipynb", width=900, height=640)
    pages.append(opened)
    opened.command("application:toggle-left-area")
    opened.kernel_is_ready()
    opened.command("notebook:run-all-cells")
    expect(cell(opened, 2).get_by_text("epoch  3")).to_be_visible(timeout=SLOW)
    activate(opened, 2)
    said = [header(opened, number).get_by_role("status").inner_text() for number in (1, 2, 3)]
    assert said == ["done", "running", "waiting"]
    expect(picker(opened)).to_have_value("H100")
    opened.picture("cell-glance")
    opened.use_theme("JupyterLab Dark")
    opened.picture("cell-glance-dark")
    opened.use_theme("JupyterLab Light")
    header(opened, 2).get_by_role("button", name="Stop this cell").click()
    expect(header(opened, 2).get_by_role("status")).to_have_text("stopped", timeout=SLOW)
    # As after any error, what was to run after it does not.
    expect(header(opened, 3).get_by_role("status")).to_have_text("was not sent", timeout=SLOW)


def test_the_stop_button_works_with_the_keyboard_and_says_what_a_second_press_does(
    lab: Lab, browser: Browser, pages: list[LabPage]
) -> None:
    deaf = (
        "import time\nwhile True:\n    try:\n        time.sleep(60)\n    except KeyboardInterrupt:\n        print('no')"
    )
    lab.add_notebook("deaf.ipynb", "%load_ext farcell", f"%%gpu --once\n{deaf}")
    opened = lab.open(browser, "deaf.ipynb")
    pages.append(opened)
    opened.kernel_is_ready()
    opened.command("notebook:run-all-cells")
    expect(header(opened, 1).get_by_role("status")).to_have_text("running", timeout=SLOW)
    header(opened, 1).get_by_role("button", name="Stop this cell").press("Enter")
    expect(header(opened, 1).get_by_role("status")).to_have_text("stopping")
    expect(cell(opened, 1).get_by_text("no", exact=True)).to_be_visible(timeout=SLOW)
    header(opened, 1).get_by_role("button", name="Stop this cell by force").press("Enter")
    opened.page.get_by_role("dialog").get_by_role("button", name="Stop", exact=True).click()
    expect(header(opened, 1).get_by_role("status")).to_have_text("stopped", timeout=SLOW)
    opened.picture("cell-stopped")


def test_a_cell_that_waits_says_for_what_and_one_that_ended_for_how_long_it_ran(
    lab: Lab, browser: Browser, pages: list[LabPage]
) -> None:
    lab.add_notebook("holds.ipynb", "%load_ext farcell", f"%%gpu H100:2 --once\n{LOOP}")
    lab.add_notebook("waits.ipynb", "%load_ext farcell", "%%gpu --once\n1 + 1", "%%gpu A100\n1 + 1")
    holds, waits = lab.open(browser, "holds.ipynb"), lab.open(browser, "waits.ipynb", width=640, height=500)
    pages += [holds, waits]
    holds.kernel_is_ready()
    holds.command("notebook:run-all-cells")
    expect(header(holds, 1).get_by_role("status")).to_have_text("running", timeout=SLOW)
    waits.kernel_is_ready()
    waits.command("notebook:run-all-cells")
    expect(header(waits, 1).get_by_role("status")).to_have_text("queued", timeout=SLOW)
    expect(header(waits, 1).locator(".fc-Header-why")).not_to_be_empty()
    assert header(waits, 1).evaluate("node => node.scrollWidth <= node.clientWidth")
    assert grave_violations(waits.page, ".fc-Header") == []
    waits.picture("cell-queued-narrow")

    header(holds, 1).get_by_role("button", name="Stop this cell").click()
    expect(header(waits, 1).get_by_role("status")).to_have_text("done", timeout=SLOW)
    expect(header(waits, 1).get_by_role("timer")).to_be_visible()
    # Refused at once, since there is no such GPU: it has no run.
    expect(header(waits, 2).get_by_role("status")).to_have_text("was not sent", timeout=SLOW)
    waits.picture("cell-refused-narrow")


def test_a_page_that_hears_nothing_says_so_in_the_header(lab: Lab, browser: Browser, pages: list[LabPage]) -> None:
    lab.add_notebook("unheard.ipynb", "%load_ext farcell", f"%%gpu --once\n{LOOP}")
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    links: list[WebSocketRoute] = []

    def join(link: WebSocketRoute) -> None:
        links.append(link)
        if len(links) == 1:
            link.connect_to_server()
        else:
            link.close()

    page.route_web_socket("**/farcell/live*", join)
    page.goto(f"{lab.url}/lab/tree/unheard.ipynb?token={TOKEN}&reset")
    page.wait_for_function("() => window.jupyterapp?.restored.then(() => true)")
    opened = LabPage(page)
    pages.append(opened)
    opened.kernel_is_ready()
    opened.command("notebook:run-all-cells")
    expect(header(opened, 1).get_by_role("status")).to_have_text("running", timeout=SLOW)
    links[0].close()
    expect(header(opened, 1)).to_contain_text("not connected; it goes on there", timeout=SLOW)
    opened.picture("cell-unheard")
    # The kernel's own stop button needs no page that hears anything.
    opened.command("notebook:interrupt-kernel")
    expect(cell(opened, 1).get_by_text("KeyboardInterrupt").first).to_be_visible(timeout=SLOW)


def test_headers_and_picker_are_in_the_notebook_application_too(lab: Lab, browser: Browser) -> None:
    lab.add_notebook("seven.ipynb", "%%gpu H100\n1 + 1")
    page = browser.new_page()
    page.goto(f"{lab.url}/notebooks/seven.ipynb?token={TOKEN}")
    expect(page.locator(".fc-Header")).to_contain_text("H100not run yet", timeout=SLOW)
    expect(page.get_by_label("Where this cell runs")).to_have_value("H100")
    page.close()


def test_the_picker_puts_changes_and_removes_the_magic_and_can_be_undone(
    lab: Lab, browser: Browser, pages: list[LabPage]
) -> None:
    lab.add_notebook("picked.ipynb", "fit()", "%%gpu A100 --session mine # keep\nfit()")
    opened = lab.open(browser, "picked.ipynb")
    pages.append(opened)
    activate(opened, 0)
    expect(picker(opened)).to_have_value("local", timeout=SLOW)
    picker(opened).focus()
    expect(picker(opened).locator("option")).to_have_text(
        ["Local", "Far CPU", "Any GPU", "H100 (2 of 2 free, simulated)", "2 × H100"], timeout=SLOW
    )
    picker(opened).select_option("H100")
    assert source(opened, 0) == "%%gpu H100\nfit()"
    expect(header(opened, 0)).to_contain_text("H100not run yet")
    assert grave_violations(opened.page, ".fc-Picker") == []
    opened.picture("cell-picked")
    picker(opened).select_option("H100:2")
    assert source(opened, 0) == "%%gpu H100:2\nfit()"
    activate(opened, 0, "edit")
    opened.page.keyboard.press("Control+z")
    assert source(opened, 0) == "%%gpu H100\nfit()"
    expect(picker(opened)).to_have_value("H100")

    activate(opened, 1)
    expect(picker(opened)).to_have_value("A100")
    picker(opened).select_option("any")
    assert source(opened, 1) == "%%gpu --session mine # keep\nfit()"
    picker(opened).select_option("local")
    assert source(opened, 1) == "fit()"
    expect(header(opened, 1)).to_be_hidden()
    opened.page.keyboard.press("Enter")
    opened.page.keyboard.press("Control+z")
    assert source(opened, 1) == "%%gpu --session mine # keep\nfit()"


def test_the_picker_is_used_with_the_keyboard_and_rests_on_other_cells(
    lab: Lab, browser: Browser, pages: list[LabPage]
) -> None:
    lab.add_notebook("keys.ipynb", "fit()")
    opened = lab.open(browser, "keys.ipynb")
    pages.append(opened)
    activate(opened, 0)
    picker(opened).focus()
    opened.page.keyboard.press("ArrowDown")
    opened.page.wait_for_function(
        "() => jupyterapp.shell.currentWidget.content.widgets[0].model.sharedModel.getSource() === '%%gpu cpu\\nfit()'"
    )
    opened.command("farcell:set-where", where="local")
    expect(picker(opened)).to_have_value("local")
    assert source(opened, 0) == "fit()"
    opened.command("notebook:change-cell-to-markdown")
    expect(picker(opened)).to_be_disabled()


def completions(opened: LabPage) -> Any:
    return opened.page.locator(".jp-Completer .jp-Completer-item")


def test_the_completer_offers_gpus_options_and_sessions(lab: Lab, browser: Browser, pages: list[LabPage]) -> None:
    lab.add_notebook("words.ipynb", "%load_ext farcell", "%%gpu cpu --session rehearsal\n1 + 1", "%%gpu ")
    opened = lab.open(browser, "words.ipynb")
    pages.append(opened)
    opened.kernel_is_ready()
    opened.command("notebook:run-all-cells")
    expect(header(opened, 1).get_by_role("status")).to_have_text("done", timeout=SLOW)
    activate(opened, 2, "edit")
    opened.page.keyboard.press("Control+End")
    opened.page.keyboard.press("Tab")
    expect(completions(opened).filter(has_text="H100")).to_be_visible(timeout=SLOW)
    expect(completions(opened).filter(has_text="--session")).to_be_visible()
    opened.picture("cell-completion")
    opened.page.keyboard.press("Escape")

    opened.page.keyboard.type("--se")
    take(opened, "--session")
    opened.page.keyboard.type(" re")
    take(opened, "rehearsal")
    opened.page.wait_for_function(
        "() => jupyterapp.shell.currentWidget.content.widgets[2].model.sharedModel.getSource()"
        " === '%%gpu --session rehearsal'"
    )


def take(opened: LabPage, word: str) -> None:
    """Complete what is typed with the word that it must offer first."""
    opened.page.keyboard.press("Tab")
    expect(completions(opened).first).to_contain_text(word, timeout=SLOW)
    opened.page.keyboard.press("Enter")
