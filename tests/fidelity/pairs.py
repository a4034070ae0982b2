"""Two kernels of the same kind side by side: a plain one, and one whose cells run far away."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty

from tests.fidelity.case import EACH_MARKED, Case, Cell, Way
from tests.fidelity.compare import Said, said
from tests.system.installation import Installation
from tests.system.notebooks import Message, Notebook, Shown, notebook

CELL_DEADLINE_S = 20.0
LATE_DEADLINE_S = 5.0


@dataclass(frozen=True)
class Side:
    """One kernel, and how it is given a cell."""

    kernel: Notebook
    given: Callable[[str], str]

    def run(self, case: Case) -> dict[str, Shown]:
        """What the cells of a case show, by request."""
        try:
            return dict([self._run(cell) for cell in case.cells])
        finally:
            if case.after:
                self._run(Cell(case.after))

    def _run(self, cell: Cell) -> tuple[str, Shown]:
        code = cell.code if cell.here else self.given(cell.code)
        request = self.kernel.client.execute(code, allow_stdin=bool(cell.answers))
        asked = self._answer(cell.answers)
        shown = self.kernel.finish(request, timeout_s=CELL_DEADLINE_S)
        shown.messages[:0] = asked  # on a channel of their own, so their place among the output is not known
        return request, shown

    def _answer(self, answers: tuple[str, ...]) -> list[Message]:
        asked: list[Message] = []
        client, deadline = self.kernel.client, time.monotonic() + CELL_DEADLINE_S
        # A cell that has ended will not ask: what it says instead is compared.
        while len(asked) < len(answers) and not client.shell_channel.msg_ready() and time.monotonic() < deadline:
            try:
                question = client.get_stdin_msg(timeout=0.05)
            except Empty:
                continue
            client.input(answers[len(asked)])
            asked.append(question)
        return asked

    def hear_more(self, shown: dict[str, Shown], timeout_s: float) -> None:
        """Take in a message that came after its cell had ended, if one comes within the time."""
        try:
            message = self.kernel.client.get_iopub_msg(timeout=timeout_s)
        except Empty:
            return
        of = shown.get(message["parent_header"].get("msg_id", ""))
        if of is not None:
            of.messages.append(message)


@dataclass(frozen=True)
class Pair:
    """Both sides. They run the same number of cells, so that their cells have the same numbers."""

    local: Side
    far: Side

    def run(self, case: Case) -> tuple[list[Said], list[Said]]:
        """Both runs of a case, at the same time."""
        with ThreadPoolExecutor(2) as pool:
            runs = pool.submit(self.local.run, case), pool.submit(self.far.run, case)
            ours, theirs = (run.result() for run in runs)
        deadline = time.monotonic() + LATE_DEADLINE_S
        while case.late and _saids(ours) != _saids(theirs) and time.monotonic() < deadline:
            self.local.hear_more(ours, 0.05)
        return _saids(ours), _saids(theirs)


def _saids(shown: dict[str, Shown]) -> list[Said]:
    return [said(one) for one in shown.values()]


@contextmanager
def pair(home: Installation, folder: Path, way: Way = EACH_MARKED) -> Iterator[Pair]:
    """A fresh pair in folders of the same length, since paths are part of what is shown."""
    with ExitStack() as opened:
        sides = []
        # A notebook's name is what its session is found by.
        environment = home.environment | {"FARCELL_NOTEBOOK": str(folder)}
        environment.pop("PYTEST_CURRENT_TEST", None)  # by it ipykernel knows to leave descriptors alone
        for name, first, given in (("here", "pass", way.local), ("away", way.first, way.far)):
            (folder / name).mkdir(parents=True)
            kernel = opened.enter_context(notebook(environment, folder / name, first))
            sides.append(Side(kernel, given))
        yield Pair(*sides)
