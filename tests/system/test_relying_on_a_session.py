"""A session that ends behind a notebook's back: the next cell's values travel again, and no cell runs without them."""

import pytest

from farcell_executor.calls import find
from farcell_protocol.messages.api import SessionView
from tests.fakes.waiting import eventually
from tests.system.installation import Installation
from tests.system.notebooks import Notebook

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


def end_all_sessions(home: Installation) -> None:
    """As their window's end does, without the notebook hearing of it."""
    caller = find(home.places, url=None, token=None)
    for session in caller.ask("GET", "/sessions", list[SessionView]):
        caller.ask("POST", f"/sessions/{session.session}/stop", object)
    eventually(lambda: not caller.ask("GET", "/sessions", list[SessionView]), "all sessions have ended")


def test_values_are_sent_again_when_their_session_has_ended(home: Installation, kernel: Notebook):
    kernel.ok("%gpu simulate H100")
    kernel.ok("x = [1]")
    kernel.ok("%%gpu H100\nx.append(2)")
    first = home.worker_pids()
    end_all_sessions(home)
    kernel.ok("%%gpu H100\nx.append(3)")
    assert kernel.ok("x").result == "[1, 2, 3]"
    assert home.worker_pids() != first
    end_all_sessions(home)
    kernel.ok("%%gpu H100 --detach\nprint(sum(x))")
    assert kernel.ok("%gpu attach").text == "6\n"
    assert home.farcell("status").stdout.count(b"refused") == 0, "a refused cell leaves no run behind"


def test_a_handle_whose_session_has_ended_says_which_cell_made_it(home: Installation, kernel: Notebook):
    kernel.ok("%%gpu cpu\nbig = b'x' * 3_000_000")
    end_all_sessions(home)
    shown = kernel.run("%%gpu cpu\nprint(len(big))")
    assert shown.status == "error"
    assert "session-ended" in shown.error
    assert "Re-run cell" in shown.error
    assert shown.text == ""
