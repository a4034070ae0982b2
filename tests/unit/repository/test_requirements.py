"""What `pyproject.toml` asks for and what is locked belong together."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]


def asked_for() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(line) for line in project["dependencies"]]


def locked() -> dict[str, str]:
    lines = re.findall(r"^([a-z0-9.-]+)==([^\s\\;]+)", (ROOT / "requirements" / "run.txt").read_text(), re.MULTILINE)
    return dict(lines)


def test_every_dependency_is_locked_at_a_version_that_is_asked_for():
    versions = locked()
    for requirement in asked_for():
        assert requirement.specifier.contains(versions[requirement.name]), requirement


def test_every_dependency_has_a_lower_bound():
    for requirement in asked_for():
        assert any(bound.operator == ">=" for bound in requirement.specifier), requirement
