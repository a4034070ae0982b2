"""What axe-core, the accessibility checker, finds wrong in a part of a page."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

_SOURCE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
_GRAVE = ("serious", "critical")


def grave_violations(page: Page, part: str) -> list[str]:
    """One line for each serious or critical violation in what the CSS selector `part` names; minor ones are left out.

    Raises:
        AssertionError: there is no such part, so that nothing would be checked.
    """
    assert page.locator(part).count(), f"nothing is {part} here"
    if page.evaluate("() => typeof axe === 'undefined'"):
        page.add_script_tag(path=_SOURCE)
    found: dict[str, Any] = page.evaluate("part => axe.run(part, {resultTypes: ['violations']})", part)
    return [
        f"{one['id']}: {one['help']}: {node['html'][:200]} {node['failureSummary']}"
        for one in found["violations"]
        if one["impact"] in _GRAVE
        for node in one["nodes"]
    ]
