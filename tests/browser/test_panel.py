"""The side panel in a real browser, before a real executor with simulated GPUs."""

import os
import signal

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.lab import TOKEN, Lab
from tests.system.installation import Installation, eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(180), pytest.mark.xdist_group("browser")]

SLOW = 20_000
"""Milliseconds within which anything that needs the executor has happened."""


def test_the_panel_shows_gpus_follows_a_cell_and_stops_it(lab: Lab, browser: Browser):
    lab.add_notebook(
        "train.ipynb",
        "%load_ext farcell",
        "%%gpu H100\nimport time\nfor step in range(1000):\n    print('step', step, flush=True)\n    time.sleep(0.1)",
    )
    opened = lab.open(browser, "train.ipynb")
    panel = opened.show_panel()
    panel.get_by_role("button", name="Simulate an H100").click(timeout=SLOW)
    expect(panel.get_by_text("1 of 1 free")).to_be_visible(timeout=SLOW)
    expect(panel.get_by_text("simulated", exact=True)).to_be_visible()
    expect(panel.get_by_text("Nothing runs far away")).to_be_visible()
    opened.picture("panel-empty")

    opened.kernel_is_ready()
    opened.command("notebook:run-all-cells")
    run = panel.locator('[data-state="running"]')
    expect(run).to_be_visible(timeout=SLOW)
    expect(panel.get_by_text("0 of 1 free")).to_be_visible()
    expect(panel.get_by_text("this notebook")).to_be_visible()
    expect(opened.page.get_by_text("step 3")).to_be_visible(timeout=SLOW)
    opened.picture("panel-running")
    opened.use_theme("JupyterLab Dark")
    opened.picture("panel-running-dark")

    run.get_by_role("button", name="Interrupt").click()
    expect(run).to_have_count(0, timeout=SLOW)
    expect(panel.get_by_text("Ended")).to_be_visible()
    expect(panel.get_by_text("idle, released in")).to_be_visible()

    panel.get_by_role("button", name="Show what").first.click()
    expect(opened.page.locator(".fc-Log")).to_contain_text("step 3", timeout=SLOW)
    opened.picture("panel-log-dark")

    panel.get_by_role("button", name="Release the session").click()
    opened.page.get_by_role("button", name="Release", exact=True).click()
    expect(panel.get_by_text("1 of 1 free")).to_be_visible(timeout=SLOW)
    opened.page.close()


def test_the_panel_outlives_the_executor(lab: Lab, browser: Browser, home: Installation):
    opened = lab.open(browser)
    panel = opened.show_panel()
    expect(panel.locator('[data-link="up"]')).to_have_count(1, timeout=SLOW)
    before = home.executor_pid
    os.kill(before, signal.SIGKILL)
    eventually(lambda: home.executor_pid != before, "the Jupyter server starts another executor")
    expect(panel.locator('[data-link="up"]')).to_have_count(1, timeout=SLOW)
    expect(panel.get_by_text("Nothing runs far away")).to_be_visible(timeout=SLOW)
    opened.page.close()


def test_a_server_that_does_not_answer_is_told_and_found_again(lab: Lab, browser: Browser):
    opened = lab.open(browser)
    panel = opened.show_panel()
    expect(panel.locator('[data-link="up"]')).to_have_count(1, timeout=SLOW)
    opened.page.route_web_socket("**/farcell/live*", lambda route: route.close())
    opened.page.reload()
    opened.page.wait_for_function("() => window.jupyterapp?.restored.then(() => true)")
    panel = opened.show_panel()
    expect(panel.get_by_text("The Jupyter server does not answer")).to_be_visible(timeout=SLOW)
    opened.picture("panel-offline")
    opened.page.close()


def test_the_panel_is_in_the_notebook_application_too(lab: Lab, browser: Browser):
    lab.add_notebook("seven.ipynb", "1 + 1")
    page = browser.new_page()
    page.goto(f"{lab.url}/notebooks/seven.ipynb?token={TOKEN}")
    # What is typed into a palette that is not there yet goes into the notebook.
    expect(page.get_by_text("Python 3 (ipykernel)").first).to_be_visible(timeout=SLOW)
    page.get_by_text("View", exact=True).first.click()
    page.get_by_text("Activate Command Palette").click()
    page.locator(".lm-CommandPalette-input >> visible=true").fill("GPUs and far cells")
    page.locator(".lm-CommandPalette-item >> visible=true").filter(has_text="GPUs and far cells").first.click()
    expect(page.locator('#farcell-panel [data-link="up"]')).to_have_count(1, timeout=SLOW)
    expect(page.locator("#farcell-panel").get_by_text("GPUs", exact=True)).to_be_visible()
    page.close()


def test_the_panel_is_usable_when_it_is_narrow(lab: Lab, browser: Browser):
    opened = lab.open(browser, width=620, height=700)
    panel = opened.show_panel()
    expect(panel.locator('[data-link="up"]')).to_have_count(1, timeout=SLOW)
    assert panel.evaluate("node => node.scrollWidth <= node.clientWidth")
    opened.picture("panel-narrow")
    opened.page.close()
