"""Whole notebooks: run locally, with every cell marked, and under `%gpu use`; the outputs are equal."""

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from tests.fidelity.case import ALL_USE, EACH_MARKED, Case, Cell, Way
from tests.fidelity.compare import differences
from tests.fidelity.pairs import pair
from tests.system.installation import Installation, installation

pytestmark = [pytest.mark.system, pytest.mark.timeout(300), pytest.mark.xdist_group("fidelity-notebooks")]

NOTEBOOKS = sorted((Path(__file__).parent / "notebooks").glob("*.ipynb"))
WAYS = {"marked": EACH_MARKED, "use": ALL_USE}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("notebooks") / "data") as made:
        yield made


def case_of(path: Path) -> tuple[Case, list[str]]:
    """A notebook's code cells, in order, as one case, and how each is meant to be answered."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    meant = ["error" if "raises-exception" in cell.metadata.get("tags", []) else "ok" for cell in cells]
    return Case(path.stem, tuple(Cell(cell.source) for cell in cells)), meant


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_far_notebook_says_what_a_local_one_says(home: Installation, tmp_path: Path, path: Path, way: Way):
    case, meant = case_of(path)
    with pair(home, tmp_path / path.stem, way) as both:
        local, far = both.run(case)
    found = differences(local, far)
    assert not found, "\n".join(found)
    assert [one.status for one in far] == meant  # not equal because broken on both sides
