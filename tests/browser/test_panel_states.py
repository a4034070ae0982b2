"""The panel in every state, narrow and wide, light and dark: looked at by axe, and kept as pictures for people."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import stage
from tests.browser.axe import grave_violations
from tests.browser.lab import Lab, LabPage

pytestmark = [pytest.mark.system, pytest.mark.timeout(180), pytest.mark.xdist_group("browser")]

NOTEBOOK = "train.ipynb"
PANEL = "#farcell-panel"
LIGHT, DARK = "JupyterLab Light", "JupyterLab Dark"

STATES: dict[str, tuple[Callable[[Page], None], str]] = {
    "loading": (lambda page: stage.play(page), "Looking for the executor"),
    "empty": (lambda page: stage.play(page, *stage.nothing_there()), "There is no GPU here"),
    "full": (lambda page: stage.play(page, *stage.busy_team()), "model.fit"),
    "error": (lambda page: stage.play(page, stage.no_executor()), "did not start within 20 s"),
    "offline": (lambda page: stage.refuse(page), "The Jupyter server does not answer"),
}
"""What is played, and words that tell that it is shown."""


@pytest.fixture(scope="module")
def opened(lab: Lab, browser: Browser) -> LabPage:
    lab.add_notebook(NOTEBOOK, "model.fit(x, y)")
    return lab.open(browser, NOTEBOOK, width=900, height=760)


@pytest.mark.parametrize("state", STATES)
def test_no_state_of_the_panel_is_hard_to_read_or_to_use(lab: Lab, opened: LabPage, state: str) -> None:
    begin, words = STATES[state]
    begin(opened.page)
    lab.show(opened.page, NOTEBOOK)
    panel = opened.show_panel()
    expect(opened.page.locator(".jp-Notebook")).to_be_visible()
    expect(panel.get_by_text(words).first).to_be_visible()
    for theme in (LIGHT, DARK):
        opened.use_theme(theme)
        shade = "dark" if theme == DARK else "light"
        for width in (250, 480):
            opened.widen_panel(width)
            assert grave_violations(opened.page, PANEL) == [], f"{state}, {shade}, {width} px"
            assert panel.evaluate("node => node.scrollWidth <= node.clientWidth"), f"it is too wide for {width} px"
            opened.picture(f"panel-{state}-{shade}-{width}")
    opened.use_theme(LIGHT)


def test_variables_of_a_session_are_folded_out_by_keyboard(lab: Lab, opened: LabPage) -> None:
    stage.play(opened.page, *stage.busy_team())
    lab.show(opened.page, NOTEBOOK)
    panel = opened.show_panel()
    expect(panel.get_by_text("This notebook")).to_be_visible()
    panel.get_by_text("4 variables").focus()
    opened.page.keyboard.press("Enter")
    row = panel.get_by_role("row", name="x ")
    expect(row).to_contain_text("Tensor 60000×3×224×224")
    expect(row).to_contain_text("12 GiB")
    assert grave_violations(opened.page, PANEL) == []
    opened.picture("panel-variables")


def test_all_that_can_be_done_with_a_run_is_in_its_menu(lab: Lab, opened: LabPage) -> None:
    stage.play(opened.page, *stage.busy_team())
    lab.show(opened.page, NOTEBOOK)
    panel = opened.show_panel()
    more = panel.get_by_role("button", name='More for "model.fit')
    more.press("Enter")
    items = opened.page.locator(".lm-Menu").get_by_role("menuitem")
    expect(items).to_have_text(["Go to Cell", "Show Output", "Attach in This Notebook", "Interrupt", "Stop by Force…"])
    opened.picture("panel-menu")
    opened.page.keyboard.press("Escape")
    expect(items).to_have_count(0)
    expect(more).to_be_focused()
