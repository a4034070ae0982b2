"""The side panel beside JupyterLab's own list of what runs: from Lab being usable until the panel is, in new pages."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.report import Comparison, arguments, show
from tests.browser.lab import CHROMIUM, TOKEN, Lab, chromium, jupyter_lab
from tests.system.installation import installation

_PEER = ("running:show-panel", "#jp-running-sessions .jp-RunningSessions-item")
_OURS = ("farcell:open-panel", '#farcell-panel [data-link="up"]', "#farcell-panel .fc-Section-body > *")
"""A command that opens a panel, and what is on the screen once it can be used."""

_MEASURE = """
window.panelIsUsable = new Promise(resolve => {
  const begin = () => window.jupyterapp ? jupyterapp.restored.then(open) : setTimeout(begin, 1);
  const open = () => {
    const begun = performance.now();
    const look = () => {
      const found = %(parts)s.map(part => document.querySelector(part));
      if (found.every(node => node && node.getClientRects().length)) resolve(performance.now() - begun);
      else requestAnimationFrame(look);
    };
    void jupyterapp.commands.execute(%(command)r);
    look();
  };
  begin();
});
"""
DEADLINE_MS = 60_000


def usable_panel(rounds: int) -> Comparison:
    """Milliseconds from JupyterLab's `restored` until the panel shows what there is; the executor runs already."""
    if CHROMIUM is None:
        raise SystemExit("benchmarks.panel needs a browser: apt-get install chromium")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="farcell-bench-")))
        lab = stack.enter_context(jupyter_lab(stack.enter_context(installation(folder / "data")), folder / "lab"))
        browser = stack.enter_context(chromium())
        for panel in (_OURS, _PEER):
            measure(browser, lab, *panel)
        pairs = [(measure(browser, lab, *_OURS), measure(browser, lab, *_PEER)) for _ in range(rounds)]
    ours, peer = zip(*pairs, strict=True)
    return Comparison("panel", "usable after Lab", ours, peer, "Lab's running panel", "ms", "lower")


def measure(browser: Any, lab: Lab, command: str, *parts: str) -> float:
    """One fresh page; milliseconds."""
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    try:
        page.set_default_timeout(DEADLINE_MS)
        page.add_init_script(_MEASURE % {"parts": list(parts), "command": command})
        page.goto(f"{lab.url}/lab?token={TOKEN}&reset")
        return float(page.evaluate("() => window.panelIsUsable"))
    finally:
        page.close()


if __name__ == "__main__":
    options = arguments(__doc__, rounds=9)
    show(usable_panel(options.rounds), as_json=options.json)
