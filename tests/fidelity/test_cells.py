"""A far cell cannot be told from a local one: each cell is run in both ways, and every message is compared."""

from collections.abc import Iterator

import pytest

from tests.fidelity.case import Case
from tests.fidelity.cells.asking import asking
from tests.fidelity.cells.concurrent import concurrent
from tests.fidelity.cells.displays import displays
from tests.fidelity.cells.errors import errors
from tests.fidelity.cells.libraries import libraries
from tests.fidelity.cells.magics import magics
from tests.fidelity.cells.results import results
from tests.fidelity.cells.shells import shells
from tests.fidelity.cells.streams import streams
from tests.fidelity.compare import differences
from tests.fidelity.pairs import Pair

pytestmark = [pytest.mark.xdist_group("fidelity"), pytest.mark.timeout(60)]

SUBJECTS = {
    "magics": magics,
    "shells": shells,
    "streams": streams,
    "displays": displays,
    "results": results,
    "errors": errors,
    "concurrent": concurrent,
    "libraries": libraries,
    "asking": asking,
}


def _cases() -> Iterator[object]:
    for name, subject in SUBJECTS.items():
        for case in subject.cases:
            marks = []
            if case.limit:
                marks.append(pytest.mark.xfail(reason=f"known limit: {case.limit}", strict=True))
            if case.awaits:
                marks.append(pytest.mark.xfail(reason=f"awaits {case.awaits}", strict=False))
            yield pytest.param(case, id=f"{name}: {case.name}", marks=marks)


@pytest.mark.parametrize("case", _cases())
def test_a_far_cell_says_what_a_local_one_says(both: Pair, case: Case):
    local, far = both.run(case)
    found = differences(local, far)
    assert not found, "\n".join(found)
