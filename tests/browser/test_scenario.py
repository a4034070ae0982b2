"""What a person does in an afternoon: far cells with all kinds of output in one notebook, and the panel beside it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.axe import grave_violations
from tests.browser.lab import Lab, LabPage

pytestmark = [pytest.mark.system, pytest.mark.timeout(240), pytest.mark.xdist_group("browser")]

SLOW = 30_000
"""Milliseconds within which anything that needs the executor has happened."""

CELLS = {
    "load": "%load_ext farcell\n%gpu simulate H100",
    "text": "%%gpu H100\nimport time\n"
    "for step in range(30):\n    print(f'step {step}', flush=True)\n    time.sleep(0.05)",
    "plot": "%%gpu H100\nimport matplotlib.pyplot as plt\nplt.figure(figsize=(5, 2))\nplt.plot([0.9, 0.5, 0.3, 0.2])\n"
    "plt.title('loss')\nplt.show()",
    "progress": "%%gpu H100\nfrom tqdm.auto import tqdm\nfor _ in tqdm(range(60), desc='train'):\n    time.sleep(0.05)",
    "widgets": "%%gpu H100\nimport ipywidgets\nslider = ipywidgets.IntSlider(value=3, max=10, description='rate')\n"
    "button = ipywidgets.Button(description='Again')\nsaid = ipywidgets.Label(value='nothing yet')\n"
    "slider.observe(lambda change: setattr(said, 'value', f'rate is {change.new}'), 'value')\n"
    "button.on_click(lambda _: setattr(said, 'value', 'again!'))\n"
    "ipywidgets.VBox([slider, button, said])",
    "handle": "%%gpu H100\nimport numpy as np\nweights = np.zeros((1000, 1000))\nweights",
    "show": "weights",
    "error": "%%gpu H100\nweights[2000]",
    "loop": "%%gpu H100\nwhile True:\n    print('.', end='', flush=True)\n    time.sleep(0.1)",
}


@pytest.fixture
def opened(lab: Lab, browser: Browser) -> Iterator[LabPage]:
    lab.add_notebook("afternoon.ipynb", *CELLS.values())
    made = lab.open(browser, "afternoon.ipynb", width=1200, height=860)
    made.kernel_is_ready()
    yield made
    made.page.close()


def run_cell(opened: LabPage, name: str) -> Locator:
    """Run the cell of that name; its outputs."""
    index = list(CELLS).index(name)
    opened.page.evaluate(
        "index => { const notebook = jupyterapp.shell.currentWidget.content;"
        " notebook.activeCellIndex = index; void jupyterapp.commands.execute('notebook:run-cell') }",
        index,
    )
    cell = opened.page.locator(".jp-Notebook-cell").nth(index)
    cell.scroll_into_view_if_needed()
    return cell.locator(".jp-Cell-outputWrapper")


def test_a_notebook_of_far_cells_shows_all_that_a_local_one_would(opened: LabPage) -> None:
    page, panel = opened.page, opened.show_panel()
    run_cell(opened, "load")
    expect(panel.get_by_text("1 of 1 free")).to_be_visible(timeout=SLOW)

    text = run_cell(opened, "text")
    expect(text.get_by_text("step 2")).to_be_visible(timeout=SLOW)
    expect(panel.locator('[data-state="running"]')).to_be_visible(timeout=SLOW)
    assert text.get_by_text("step 29").count() == 0, "it came all at once"
    expect(text.get_by_text("step 29")).to_be_visible(timeout=SLOW)

    expect(run_cell(opened, "plot").locator("img")).to_be_visible(timeout=SLOW)

    progress = run_cell(opened, "progress")
    expect(progress.locator(".widget-hprogress")).to_be_visible(timeout=SLOW)
    expect(panel.locator('[data-state="running"]')).to_be_visible(timeout=SLOW)
    progress.locator(".widget-hprogress").scroll_into_view_if_needed()
    opened.picture("scenario-progress")
    expect(progress.get_by_text("60/60")).to_be_visible(timeout=SLOW)

    widgets = run_cell(opened, "widgets")
    expect(widgets.get_by_text("nothing yet")).to_be_visible(timeout=SLOW)
    widgets.get_by_role("slider").press("ArrowRight")
    expect(widgets.get_by_text("rate is 4")).to_be_visible(timeout=SLOW)
    widgets.get_by_role("button", name="Again").click()
    expect(widgets.get_by_text("again!")).to_be_visible(timeout=SLOW)
    opened.picture("scenario-widgets")

    run_cell(opened, "handle")
    expect(run_cell(opened, "show").get_by_text("numpy.ndarray").first).to_be_visible(timeout=SLOW)
    expect(run_cell(opened, "error").get_by_text("IndexError").first).to_be_visible(timeout=SLOW)
    expect(panel.get_by_text("raised an error")).to_be_visible(timeout=SLOW)
    panel.get_by_text("variables", exact=False).first.click()
    expect(panel.get_by_role("row", name="weights")).to_contain_text("ndarray 1000×1000")
    opened.picture("scenario-handle")

    dots = run_cell(opened, "loop")
    run = panel.locator('[data-state="running"]')
    expect(run).to_be_visible(timeout=SLOW)
    run.get_by_role("button", name="Show what").click()
    log = page.locator(".fc-Log")
    expect(log).to_contain_text("...", timeout=SLOW)
    before = len(log.inner_text())
    page.wait_for_function("n => document.querySelector('.fc-Log').innerText.length > n", arg=before)
    run.get_by_role("button", name="Go to").or_(run.locator(".fc-Title")).first.click()
    expect(dots).to_be_visible(timeout=SLOW)
    page.get_by_role("button", name="Interrupt the kernel").first.click()
    expect(dots.get_by_text("KeyboardInterrupt").first).to_be_visible(timeout=SLOW)
    expect(run).to_have_count(0, timeout=SLOW)
    expect(panel.get_by_text("idle, released in")).to_be_visible(timeout=SLOW)
    assert grave_violations(page, "#farcell-panel") == []
    opened.picture("scenario-stopped")
    opened.use_theme("JupyterLab Dark")
    opened.picture("scenario-stopped-dark")
    page.locator(".jp-Notebook-cell").nth(list(CELLS).index("widgets")).scroll_into_view_if_needed()
    opened.picture("scenario-widgets-dark")
    opened.use_theme("JupyterLab Light")


def test_a_run_of_another_notebook_is_attached_from_the_panel(lab: Lab, opened: LabPage) -> None:
    panel = opened.show_panel()
    run_cell(opened, "load")
    expect(panel.get_by_text("simulated", exact=True)).to_be_visible(timeout=SLOW)
    expect(run_cell(opened, "text").get_by_text("step 29")).to_be_visible(timeout=SLOW)
    lab.add_notebook("other.ipynb", "1 + 1")
    opened.command("docmanager:open", path="other.ipynb")
    opened.page.wait_for_function("() => jupyterapp.shell.currentWidget?.context?.path === 'other.ipynb'")
    opened.kernel_is_ready()
    panel.get_by_role("button", name='More for "import time"').first.click()
    opened.page.get_by_role("menuitem", name="Attach in This Notebook").click()
    attached = opened.page.locator(".jp-NotebookPanel:visible .jp-Notebook-cell").nth(1)
    expect(attached.get_by_text("step 29")).to_be_visible(timeout=SLOW)
