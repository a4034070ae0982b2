"""A far cell cannot be told from a local one: each cell is run in both ways, and every message is compared."""

from collections.abc import Iterator

import pytest

from tests.fidelity.case import Case, Cell
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
            known = [pytest.mark.xfail(reason=f"known limit: {case.limit}", strict=True)] if case.limit else []
            yield pytest.param(case, id=f"{name}: {case.name}", marks=known)


ALTERED = {
    "stream": "print(there)",
    "display_data": "display(there)",
    "update_display_data": "display(0, display_id='told').update(there)",
    "clear_output": "from IPython.display import clear_output\nclear_output(wait=there)",
    "execute_result": "there",
    "error": "raise ValueError(there)",
    "nothing at all": "if there:\n    print()",
}


def test_a_far_cell_that_says_something_else_is_told_apart(both: Pair):
    begin = Cell("import sys\nthere = 'farcell_worker' in sys.modules")
    local, far = both.run(Case("altered", (begin, *(Cell(code) for code in ALTERED.values()))))
    for kind, ours, theirs in zip(["", *ALTERED], local, far, strict=True):
        assert bool(differences([ours], [theirs])) == bool(kind), kind


@pytest.mark.parametrize("case", list(_cases()))
def test_a_far_cell_says_what_a_local_one_says(both: Pair, case: Case):
    local, far = both.run(case)
    found = differences(local, far)
    assert not found, "\n".join(found)
