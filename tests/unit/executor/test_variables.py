"""What a session is said to hold is what its cells have told, as far as their logs can be read."""

from dataclasses import replace
from pathlib import Path

from farcell_executor.model import RunState
from farcell_executor.runlogs import RunLogs
from farcell_executor.variables import KnownVariables
from farcell_protocol.frames import End, Variables
from farcell_protocol.framing import pack
from farcell_protocol.ids import new_run_id
from tests.unit.executor.scheduling.fleet import Fleet, devices


def test_a_session_whose_newest_log_cannot_be_read_is_seen_without_its_variables(tmp_path: Path):
    run, fleet = new_run_id(), Fleet()
    fleet.join(*devices("n", "H100", 1))
    fleet.running(run, "H100")
    session = fleet.run(run).session
    RunLogs(tmp_path).log(run).append(1, [pack(End("ok", variables=Variables([], more=3)))], end=True)
    ended = replace(fleet.run(run), state=RunState.ENDED)
    known = KnownVariables(fleet.machine, RunLogs(tmp_path))
    known.note([ended])
    assert known.of(session) == Variables([], more=3)
    (file,) = tmp_path.iterdir()
    file.unlink()
    file.mkdir()
    unreadable = KnownVariables(fleet.machine, RunLogs(tmp_path))
    unreadable.note([ended])
    assert unreadable.of(session) is None
