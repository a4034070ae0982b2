"""What README and docs say is so: settings, commands, files and statuses are those of the code."""

import re
import subprocess
from pathlib import Path

import pytest

from farcell.options import COMMANDS, OPTIONS, parse_command, parse_options
from farcell_executor.cli import app, tokens
from farcell_protocol.statuses import STATUS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

FOR_TESTS = {"FARCELL_FAULT_AT"}
"""Settings that nobody but our own tests is to know."""


def sources() -> list[Path]:
    return [path for top in ("kernel_gateway", "remote_executor") for path in (ROOT / top).rglob("*.py")]


def variables_in(text: str) -> set[str]:
    return set(re.findall(r"\bFARCELL_[A-Z_]+[A-Z]\b", text))


def test_every_setting_is_on_the_page_of_settings_and_no_other():
    code = set().union(*(variables_in(path.read_text()) for path in sources()))
    assert variables_in((ROOT / "docs" / "settings.md").read_text()) == code - FOR_TESTS


def test_every_word_of_the_magics_is_in_the_readme():
    for word in (*OPTIONS, *(f"%gpu {command}" for command in COMMANDS)):
        assert word in README


def test_what_the_readme_types_into_a_cell_is_understood():
    typed = re.findall(r"`(%%?gpu[^`]*)`", README)
    assert len(typed) > 15
    for line in typed:
        for form in {re.sub(r" \[\w+\]", "", line), line.replace("[RUN]", "r-0123456789ab")}:
            if form.startswith("%%gpu"):
                parse_options(form.removeprefix("%%gpu"))
            else:
                parse_command(form.removeprefix("%gpu"))


def test_every_command_that_the_readme_types_exists():
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    known |= {group.name for group in app.registered_groups}
    typed = set(re.findall(r"(?:^\$ |`)farcell ([a-z]+)", README, re.MULTILINE))
    assert typed <= known
    assert {"create", "list", "revoke"} == {command.name for command in tokens.registered_commands}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path):
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    names = {Path(one).name for one in listed} or {path.name for path in ROOT.rglob("*.py")}
    assert set(re.findall(r"\b[a-z_]+\.py\b", page.read_text())) <= names


def test_every_status_is_in_the_protocol_with_its_codes():
    errors = (ROOT / "docs" / "protocol.md").read_text().partition("## Errors")[2].partition("\n## ")[0]
    said: dict[str, int] = {}
    for status, codes in re.findall(r"(\d{3}) ((?:`[a-z-]+`(?:, )?)+)", errors.replace("\n", " ")):
        said |= dict.fromkeys(re.findall(r"`([a-z-]+)`", codes), int(status))
    assert said == STATUS
