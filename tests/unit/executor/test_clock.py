"""Where an executor's time comes from, when somebody sets the host's clock."""

import time
from pathlib import Path

import pytest

from farcell_executor.clock import SteadyClock
from farcell_executor.store.memory import MemoryStore
from farcell_protocol.messages import api
from tests.fakes.far_node import FarNode, play
from tests.unit.executor.service import request, serving, settings_for

HOURS_S = 3 * 3600.0


@pytest.mark.parametrize("jump_s", [HOURS_S, -HOURS_S])
def test_setting_the_hosts_clock_moves_no_deadline(jump_s: float, monkeypatch: pytest.MonkeyPatch):
    clock = SteadyClock()
    before = clock.now()
    monkeypatch.setattr(time, "time", lambda: before + jump_s)
    assert 0 <= clock.now() - before < 60


async def test_a_clock_set_back_between_two_lives_holds_no_idle_session_any_longer(
    tmp_path: Path, node: FarNode, monkeypatch: pytest.MonkeyPatch
):
    settings, kept, asked = settings_for(tmp_path), MemoryStore(), request(play("x\n"))
    async with serving(settings, store=kept) as first:
        await first.join(node)
        view = await first.ask("POST", "/runs", api.RunView, asked)
        sessions = first.executor.driver.machine.sessions
        await first.until(lambda: sessions[view.session].idle_since is not None)
        since = sessions[view.session].idle_since
    assert since is not None
    monkeypatch.setattr(time, "time", lambda: since - HOURS_S)
    async with serving(settings, store=kept) as second:
        assert 0 <= second.executor.clock.now() - since < 60
