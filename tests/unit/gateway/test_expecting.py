"""A cell that relies on what a session holds never runs in an empty one: it is refused there, and its values travel."""

import pickle
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from far_client import ScriptedClient, Step, plays, stream, value, view
from far_python import FarPython

from farcell.follow import Batch, Changed
from farcell_protocol.errors import ErrorInfo, SessionEnded
from farcell_protocol.frames import End
from farcell_protocol.messages.api import RunRequest

FIRST, SECOND = "s-000000000001", "s-000000000002"
GONE = SessionEnded(f"session {FIRST} has ended").info()


@pytest.fixture
def two_sessions(far: Callable[..., ScriptedClient]) -> Iterator[ScriptedClient]:
    """Two cells run in the first session, all others in the second."""
    first, second = FarPython(FIRST), FarPython(SECOND)
    yield far(first, second)
    first.close()
    second.close()


def refused(request: RunRequest) -> Iterable[Step]:
    """As an executor refuses in whose queue another event came first: the run exists, and never ran."""
    yield Changed(view(request, "queued", session="", reason=GONE))
    yield Batch(1, [End("refused", GONE)])
    yield Changed(view(request, "ended", session="", outcome="refused", reason=GONE))


def test_what_a_session_held_is_sent_again_when_it_ended_before_the_cell_arrived(
    two_sessions: ScriptedClient, cell: Any, shell: Any
) -> None:
    cell("x = [1]")
    cell("%%gpu\nx.append(2)")
    two_sessions.ended_sessions[FIRST] = ErrorInfo("session-ended", "idle for 300 s")
    assert cell("%%gpu\nx.append(3)").success
    assert shell.user_ns["x"] == [1, 2, 3]
    _, relying, again = two_sessions.requests
    assert (relying.expects, again.expects) == (FIRST, None)
    assert relying.run != again.run
    assert [value.name for value in two_sessions.cell(-2).values] == []
    assert [value.name for value in two_sessions.cell(-1).values] == ["x"]


def test_a_cell_that_relies_on_nothing_takes_whatever_session_there_is(two_sessions: ScriptedClient, cell: Any) -> None:
    cell("%%gpu\n1")
    cell("%%gpu\n2")
    assert [request.expects for request in two_sessions.requests] == [None, None]


@pytest.mark.parametrize("name", ["_", "_1"])
def test_a_result_that_the_session_holds_is_sent_when_it_ended_before_the_cell_arrived(
    far: Callable[..., ScriptedClient], cell: Any, name: str
) -> None:
    client = far(plays(*value("_", pickle.dumps([1]))), plays(session=SECOND))
    cell("%%gpu\n[1]")
    client.ended_sessions[FIRST] = ErrorInfo("session-ended", "idle for 300 s")
    assert cell(f"%%gpu\nlen({name})").success
    _, relying, again = client.requests
    assert (relying.expects, again.expects) == (FIRST, None)
    assert [[value.name for value in client.cell(at).values] for at in (-2, -1)] == [[], [name]]


@pytest.mark.parametrize("options", ["", " --detach"])
def test_a_refusal_that_came_as_the_runs_end_is_heeded_too(
    far: Callable[..., ScriptedClient], cell: Any, options: str
) -> None:
    python = FarPython(FIRST)
    client = far(python, refused, plays(stream("ran\n"), session=SECOND))
    cell("x = [1]")
    cell("%%gpu\nx.append(2)")
    assert cell(f"%%gpu{options}\nlen(x)").success
    assert [request.expects for request in client.requests] == [None, FIRST, None]
    assert [value.name for value in client.cell().values] == ["x"]
    python.close()


def test_a_handle_whose_session_ended_before_the_cell_arrived_names_the_cell_to_rerun(
    two_sessions: ScriptedClient, cell: Any
) -> None:
    cell("%%gpu\nbig = b'x' * 3_000_000")
    two_sessions.ended_sessions[FIRST] = ErrorInfo("session-ended", "idle for 300 s")
    error = cell("%%gpu\nlen(big)").error_in_exec
    assert error.code == "session-ended"
    assert "idle for 300 s" in str(error)
    assert "Re-run cell [1]" in str(error)
    assert len(two_sessions.requests) == 2, "nothing is sent without it"


def test_a_handle_is_fetched_from_its_own_session_or_not_at_all(two_sessions: ScriptedClient, cell: Any) -> None:
    cell("%%gpu\nbig = b'x' * 3_000_000")
    still_known = two_sessions.session
    two_sessions.session = lambda session: (  # type: ignore[method-assign]  # it ends right after this answer
        still_known(session),
        two_sessions.ended_sessions.setdefault(FIRST, ErrorInfo("session-ended", "idle for 300 s")),
    )[0]
    error = cell("big.to_local()").error_in_exec
    assert error.code == "session-ended"
    assert two_sessions.requests[-1].expects == FIRST
    assert "Re-run cell [1]" in str(error)
