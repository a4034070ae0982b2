"""A keeper that leaves ends what its workers left behind, and serves its socket until that is gone."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from farcell_keeper.cgroups import V2, Cgroups
from farcell_keeper.keeper import Keeper
from farcell_keeper.loop import Loop
from farcell_protocol.messages import keeping as k


class Stubborn(Cgroups):
    """Cgroups in which something takes `looks` looks to end; each look is passed on."""

    def __init__(self, path: Path, looks: int, looked: Callable[[int], None] = lambda _: None) -> None:
        super().__init__(path, V2)
        self.left = looks
        self._looked = looked

    def clear(self) -> bool:
        self.left -= 1
        self._looked(self.left)
        return self.left <= 0


class Mute:
    """An agent's connection that takes everything at once."""

    backlog_bytes = 0

    def send(self, record: bytes) -> None:
        pass


@pytest.fixture
def loop() -> Loop:
    ticks = count()
    return Loop(clock=lambda: next(ticks) / 10)


def keeper_of(loop: Loop, folder: Path, groups: Cgroups) -> Keeper:
    (folder / "spool").mkdir()
    return Keeper(loop, folder / "spool", groups, idle_exit_s=1.0)


def test_one_that_was_told_to_leave_goes_on_serving_until_what_it_killed_is_gone(loop: Loop, tmp_path: Path) -> None:
    served: list[int] = []
    groups = Stubborn(tmp_path, 5, lambda left: loop.after(0, lambda: served.append(left)) and None)
    keeper_of(loop, tmp_path, groups).obey(k.Quit())
    loop.run()
    assert groups.left == 0
    assert served[:3] == [4, 3, 2], "the loop turns between two looks"


def test_it_leaves_all_the_same_when_something_does_not_end(loop: Loop, tmp_path: Path) -> None:
    groups = Stubborn(tmp_path, 10**6)
    keeper_of(loop, tmp_path, groups).obey(k.Quit())
    loop.run()
    assert 10**6 - groups.left == 101


def test_an_idle_one_stays_when_an_agent_comes_while_it_clears_up(loop: Loop, tmp_path: Path) -> None:
    agent_came = False

    def looked(left: int) -> None:
        nonlocal agent_came
        if left == 3:
            agent_came = True
            loop.after(0, lambda: keeper.greeted(Mute(), 1))  # type: ignore[arg-type]
            loop.after(0.5, loop.leave)

    groups = Stubborn(tmp_path, 5, looked)
    keeper = keeper_of(loop, tmp_path, groups)
    loop.run()
    assert agent_came
    assert groups.left >= 2, "nothing more was cleared once there was an agent"
