"""Two kernels of the same kind side by side: a plain one, and one whose cells run far away."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty

from tests.fidelity.case import EACH_MARKED, Case, Cell, Way
from tests.fidelity.compare import Said, said
from tests.system.installation import Installation
from tests.system.notebooks import Notebook, Shown, notebook

CELL_DEADLINE_S = 20.0
ANSWER_DEADLINE_S = 3.0


@dataclass(frozen=True)
class Side:
    """One kernel, and how it is given a cell."""

    kernel: Notebook
    given: Callable[[str], str]

    def run(self, case: Case) -> list[Said]:
        """What the cells of a case say."""
        try:
            return [said(self._run(cell)) for cell in case.cells]
        finally:
            if case.after:
                self._run(Cell(case.after))

    def _run(self, cell: Cell) -> Shown:
        code = cell.code if cell.here else self.given(cell.code)
        client = self.kernel.client
        request = client.execute(code, allow_stdin=bool(cell.answers))
        asked = self._answer(cell.answers)
        shown = self.kernel.finish(request, timeout_s=CELL_DEADLINE_S)
        shown.messages[:0] = asked  # on a channel of their own, so their place among the output is not known
        return shown

    def _answer(self, answers: tuple[str, ...]) -> list[dict[str, object]]:
        client = self.kernel.client
        asked = []
        for answer in answers:
            try:
                asked.append(client.get_stdin_msg(timeout=ANSWER_DEADLINE_S))
            except Empty:
                break  # the cell did not ask: what it says instead is compared
            client.input(answer)
        return asked


@dataclass(frozen=True)
class Pair:
    """Both sides. They run the same number of cells, so that their cells have the same numbers."""

    local: Side
    far: Side

    def run(self, case: Case) -> tuple[list[Said], list[Said]]:
        """Both runs of a case, at the same time."""
        with ThreadPoolExecutor(2) as pool:
            ours, theirs = pool.submit(self.local.run, case), pool.submit(self.far.run, case)
            return ours.result(), theirs.result()


@contextmanager
def pair(home: Installation, folder: Path, way: Way = EACH_MARKED) -> Iterator[Pair]:
    """A fresh pair in folders of the same length, since paths are part of what is shown."""
    with ExitStack() as opened:
        sides = []
        # A notebook's name is what its session is found by.
        environment = home.environment | {"FARCELL_NOTEBOOK": str(folder)}
        for name, first, given in (("here", "pass", way.local), ("away", way.first, way.far)):
            (folder / name).mkdir(parents=True)
            kernel = opened.enter_context(notebook(environment, folder / name, first))
            sides.append(Side(kernel, given))
        yield Pair(*sides)
