"""Two notebooks follow one run: both see all of it while it happens, and neither takes anything from the other."""

from pathlib import Path

import pytest

from tests.fakes.waiting import eventually
from tests.system.installation import Installation, rest
from tests.system.notebooks import Notebook, Shown, notebook

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

WAITING = """
import pathlib, time
print("begun")
for line in range(1, 1001): print(line)
while not pathlib.Path("go").exists(): time.sleep(0.01)
print("gone on")
import colorsys
bound = {"lines": line}
stays = b"x" * 3_000_000
len(bound)
"""
SHOWN = "begun\n" + "".join(f"{line}\n" for line in range(1, 1001)) + "gone on\n"


def shows(text: str):
    """Whether the cell has shown this."""
    return lambda shown: text in shown.text


def running(home: Installation) -> str:
    """The id of the one run that goes on."""
    going: list[str] = []

    def found() -> bool:
        going[:] = [run["run"] for run in rest(home.places, "/v1/runs") if run["state"] == "running"]
        return len(going) == 1

    eventually(found, "one run goes on")
    return going[0]


@pytest.fixture
def other(home: Installation, tmp_path: Path):
    """A second kernel, of another notebook."""
    with notebook(home.environment | {"FARCELL_NOTEBOOK": "other.ipynb"}, tmp_path) as opened:
        yield opened


def begin_in_both(home: Installation, kernel: Notebook, other: Notebook) -> tuple[tuple[str, Shown], tuple[str, Shown]]:
    """The cell runs in the first kernel and has not ended, and both have shown its thousandth line."""
    first = kernel.send(f"%%gpu cpu\n{WAITING}")
    shown_first = kernel.finish(first, until=shows("\n1000\n"))
    second = other.send(f"%gpu attach {running(home)}")
    shown_second = other.finish(second, until=shows("\n1000\n"))
    return (first, shown_first), (second, shown_second)


def test_both_see_everything_live_and_bind_what_it_bound(
    home: Installation, kernel: Notebook, other: Notebook, tmp_path: Path
):
    (first, shown_first), (second, shown_second) = begin_in_both(home, kernel, other)
    assert "gone on" not in shown_first.text + shown_second.text
    (tmp_path / "go").touch()
    for follower, request, shown in ((kernel, first, shown_first), (other, second, shown_second)):
        shown = follower.finish(request, shown=shown)
        assert (shown.status, shown.text, shown.result) == ("ok", SHOWN, "1")
        assert follower.ok("bound, _, colorsys.__name__").result == "({'lines': 1000}, 1, 'colorsys')"
        assert "lives in session" in follower.run("len(stays)").error
    # Each goes on in a session of its own, and the value that stayed can be brought to both.
    assert other.ok("len(stays.to_local())").result == "3000000"
    assert other.ok("%%gpu cpu\nlen(bound), 'line' in globals()").result == "(1, False)"
    assert kernel.ok("%%gpu cpu\nlen(stays), line").result == "(3000000, 1000)"


def test_a_press_in_either_interrupts_for_both(home: Installation, kernel: Notebook, other: Notebook):
    for presser in (kernel, other):
        (first, shown_first), (second, shown_second) = begin_in_both(home, kernel, other)
        presser.interrupt()
        for follower, request, shown in ((kernel, first, shown_first), (other, second, shown_second)):
            shown = follower.finish(request, shown=shown, timeout_s=20)
            assert shown.status == "error"
            assert "KeyboardInterrupt" in shown.error
        assert kernel.ok("%%gpu cpu\nline").result == "1000"  # the session is as it was


def test_one_that_leaves_takes_nothing_from_the_other(
    home: Installation, kernel: Notebook, other: Notebook, tmp_path: Path
):
    (_, _), (second, shown_second) = begin_in_both(home, kernel, other)
    kernel.kill()
    (tmp_path / "go").touch()
    shown_second = other.finish(second, shown=shown_second)
    assert (shown_second.status, shown_second.text) == ("ok", SHOWN)
    again = other.ok(f"%gpu attach {shown_second.run}")
    assert again.text == SHOWN
