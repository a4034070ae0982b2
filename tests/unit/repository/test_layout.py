"""Rules of the tree that no tool checks."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOP = ("labextension", "kernel_gateway", "remote_executor", "volumes")


def tracked() -> list[Path]:
    """Every file under version control, or every file of an unpacked archive."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return [ROOT / line for line in listed.stdout.splitlines()]
    hidden = {".venv", "__pycache__", ".hypothesis", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
    return [p for p in ROOT.rglob("*") if p.is_file() and not hidden & set(p.parts)]


@pytest.mark.parametrize("folder", TOP)
def test_a_top_level_folder_is_no_package(folder: str):
    """An `__init__.py` in `kernel_gateway` would shadow the project jupyter-kernel-gateway."""
    assert not (ROOT / folder / "__init__.py").exists()


def test_locked_requirements_have_hashes_and_name_no_index():
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "://" not in text
        assert "--index" not in text
        assert len(re.findall(r"^[a-z0-9].*==", text, re.MULTILINE)) <= text.count("--hash=sha256:")


def lines_of(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_no_file_is_longer_than_a_reader_can_hold():
    python = [path for path in tracked() if path.suffix == ".py" and path.exists()]
    product = {path for path in python if path.relative_to(ROOT).parts[0] in TOP}
    assert product
    assert not {str(path): lines_of(path) for path in product if lines_of(path) > 300}
    assert not {str(path): lines_of(path) for path in python if lines_of(path) > 550}, (
        "tests are longer, but not endless"
    )
