"""Values out and home, between a real shell and a real far Python with the worker's own exchange."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from far_client import ScriptedClient
from far_python import FarPython

from farcell.handles import Handle


@pytest.fixture
def far_side(far: Callable[..., ScriptedClient]) -> Iterator[ScriptedClient]:
    python = FarPython()
    yield far(python)
    python.close()


@pytest.fixture
def names(shell: Any) -> dict[str, Any]:
    return shell.user_ns  # type: ignore[no-any-return]


def test_what_a_cell_reads_travels_and_what_it_binds_comes_back(far_side: Any, cell: Any, names: Any) -> None:
    cell("x = [1, 2]")
    cell("%%gpu\ny = x + [3]\nx.append(9)")
    assert (names["y"], names["x"]) == ([1, 2, 3], [1, 2, 9])


def test_a_value_that_is_there_already_is_not_sent_again(far_side: Any, cell: Any, names: Any) -> None:
    cell("x = {'a': 1}")
    cell("%%gpu\nx['b'] = 2")
    cell("%%gpu\ny = dict(x)")
    assert far_side.cell().values == []
    assert names["y"] == {"a": 1, "b": 2}


def test_a_value_changed_here_wins_and_travels(far_side: Any, cell: Any, names: Any) -> None:
    cell("x = [1]")
    cell("%%gpu\nx.append(2)")
    cell("x.append(3)")
    cell("%%gpu\ny = list(x)")
    assert names["y"] == [1, 2, 3]
    assert [value.name for value in far_side.cell().values] == ["x"]


def test_an_unchanged_object_keeps_its_identity(far_side: Any, cell: Any, names: Any) -> None:
    cell("x = {'k', 'l', 'm'}; same = x")
    cell("%%gpu\nn = len(x)")
    assert names["x"] is names["same"]


def test_a_write_that_did_not_happen_brings_nothing_older_back(far_side: Any, cell: Any, names: Any) -> None:
    cell("z = 'old'; go = False")
    cell("%%gpu\nz")
    cell("z = 'new'")
    cell("%%gpu\nif go: z = 'far'")
    assert names["z"] == "new"


def test_a_write_of_the_older_value_is_seen(far_side: Any, cell: Any, names: Any) -> None:
    cell("z = 'old'")
    cell("%%gpu\nz")
    cell("z = 'new'")
    cell("%%gpu\nz = 'old'")
    assert names["z"] == "old"


def test_a_name_that_is_only_written_may_hold_here_what_cannot_travel(far_side: Any, cell: Any, names: Any) -> None:
    cell("z = 1")
    cell("%%gpu\nz")
    cell("import threading; z = threading.Lock(); go = False")
    cell("%%gpu\nif go: z = 2")
    assert type(names["z"]).__name__ == "lock"
    cell("%%gpu\nz = 2")
    assert names["z"] == 2


def test_names_bound_before_an_exception_come_back(far_side: Any, cell: Any, names: Any) -> None:
    result = cell("%%gpu\na = 1\nb = 1/0\nc = 2")
    assert type(result.error_in_exec).__name__ == "ZeroDivisionError"
    assert names["a"] == 1
    assert "c" not in names


def test_a_name_deleted_there_is_gone_here(far_side: Any, cell: Any, names: Any) -> None:
    cell("x = 1; y = 2")
    cell("%%gpu\ndel x")
    assert "x" not in names
    assert names["y"] == 2


def test_a_function_takes_its_globals_along_and_sees_them_change(far_side: Any, cell: Any, names: Any) -> None:
    cell("scale = 2\ndef times(x): return x * scale\ndef twice(x): return times(times(x))")
    cell("%%gpu\na = twice(1)\nscale = 3\nb = twice(1)")
    assert (names["a"], names["b"], names["scale"]) == (4, 9, 3)


def test_a_global_that_a_function_rebinds_comes_back(far_side: Any, cell: Any, names: Any) -> None:
    cell("count = 0\ndef tick():\n    global count\n    count += 1")
    cell("%%gpu\ntick(); tick()")
    assert names["count"] == 2


def test_instances_of_notebook_classes_stay_instances(far_side: Any, cell: Any, names: Any) -> None:
    cell("limit = 10\nclass A:\n    n = 0\n    def more(self): self.n += limit; return self")
    cell("a = A(); box = [A()]")
    cell("%%gpu\na.more(); box[0].more()")
    assert (names["a"].n, names["box"][0].n) == (10, 10)
    assert isinstance(names["a"], names["A"])


def test_a_class_and_a_function_made_there_work_here(far_side: Any, cell: Any, names: Any) -> None:
    cell("%%gpu\nbase = 1\nclass B:\n    def get(self): return base\ndef f(): return base")
    cell("base = 5\nr = (B().get(), f())")
    assert names["r"] == (5, 5)


def test_modules_travel_as_imports_with_the_submodules_used(far_side: Any, cell: Any, names: Any) -> None:
    cell("import math as m, xml.etree.ElementTree")
    cell("%%gpu\nroot = m.sqrt(16)\ntag = xml.etree.ElementTree.fromstring('<a/>').tag")
    assert (names["root"], names["tag"]) == (4.0, "a")


def test_an_import_there_is_bound_here(far_side: Any, cell: Any, names: Any) -> None:
    cell("%%gpu\nimport json as j\nimport colorsys\nfrom fractions import Fraction as F")
    cell("r = (j.dumps([1]), colorsys.__name__, F(1, 2) * 2)")
    assert names["r"] == ("[1]", "colorsys", 1)


def test_what_cannot_leave_becomes_a_handle_that_the_next_cell_can_use(far_side: Any, cell: Any, names: Any) -> None:
    cell("%%gpu\nimport threading\nlock = threading.Lock()\nbig = b'x' * 3_000_000")
    assert isinstance(names["lock"], Handle)
    assert isinstance(names["big"], Handle)
    cell("%%gpu\nn = len(big)\nfree = not lock.locked()")
    assert (names["n"], names["free"]) == (3_000_000, True)
    assert len(names["big"].to_local()) == 3_000_000
    assert not cell("lock.to_local()").success


def test_handles_survive_their_own_cell_being_rerun(far_side: Any, cell: Any, names: Any) -> None:
    for _ in range(2):
        cell("%%gpu\nbig = b'x' * 3_000_000")
        assert isinstance(names["big"], Handle)


def test_a_handle_of_an_ended_session_names_the_cell_to_rerun(
    far_side: Any, cell: Any, names: Any, capsys: Any
) -> None:
    from farcell_protocol.errors import ErrorInfo

    cell("%%gpu\nbig = b'x' * 3_000_000")
    far_side.ended_sessions["s-000000000001"] = ErrorInfo("session-ended", "idle for 300 s")
    result = cell("%%gpu\nlen(big)")
    assert result.error_in_exec.code == "session-ended"
    assert "idle for 300 s" in str(result.error_in_exec)
    assert "Re-run cell [1]" in str(result.error_in_exec)
    assert "re-run cell [1]" in repr(names["big"])


def test_after_a_session_ended_everything_is_sent_to_the_next(far: Any, cell: Any, names: Any) -> None:
    first, second = FarPython(), FarPython("s-000000000002")
    client = far(first, second)
    cell("x = [1]")
    cell("%%gpu\nx.append(2)")
    client.ended_sessions["s-000000000001"] = None
    cell("%%gpu\nx.append(3)")
    assert names["x"] == [1, 2, 3]
    first.close()
    second.close()


def test_a_handle_of_another_session_says_where_it_lives(far: Any, cell: Any, names: Any) -> None:
    first, second = FarPython(), FarPython("s-000000000002")
    far(first, second)
    cell("%%gpu H100\nbig = b'x' * 3_000_000")
    cell("%%gpu cpu\n1")
    error = cell("%%gpu cpu\nlen(big)").error_in_exec
    assert error.code == "session-differs"
    assert "%%gpu H100" in str(error)
    first.close()
    second.close()


def test_a_value_that_cannot_be_pickled_is_named_before_anything_is_sent(far_side: Any, cell: Any) -> None:
    cell("import threading\nclass M: pass\nm = M(); m.cfg = {'ok': 1, 'lock': [threading.Lock()]}")
    error = cell("%%gpu\nm").error_in_exec
    assert error.code == "value-not-picklable"
    assert error.fields["path"] == "m.cfg['lock'][0]"
    assert "m.cfg['lock'][0]: _thread.lock" in str(error)
    assert far_side.requests == []


def test_values_over_the_limit_are_named_by_size(far_side: Any, cell: Any) -> None:
    cell("a, b, c, d = (bytes(n * 2**20) for n in (20, 16, 1, 2))")
    error = cell("%%gpu\na, b, c, d").error_in_exec
    assert error.code == "values-too-large"
    assert list(error.fields["largest"]) == ["a", "b", "d"]
    assert far_side.requests == []


def test_a_large_value_in_pieces_arrives_whole(far_side: Any, cell: Any, names: Any) -> None:
    cell("%%gpu\nblob = bytes(range(256)) * 4000")
    assert names["blob"] == bytes(range(256)) * 4000


def test_a_name_that_exists_nowhere_fails_there_as_it_would_here(far_side: Any, cell: Any) -> None:
    error = cell("%%gpu\nnowhere").error_in_exec
    assert type(error).__name__ == "NameError"
    assert "nowhere" in str(error)


def test_the_shells_own_names_stay(far_side: Any, cell: Any) -> None:
    cell("1")
    cell("%%gpu\ntry: In, Out, _i, __, _oh\nexcept NameError: pass")
    assert far_side.cell().values == []


def test_attaching_to_another_notebooks_run_binds_and_leaves_our_own_session_alone(
    far: Any, cell: Any, names: Any
) -> None:
    from far_client import plays, view

    from farcell_protocol.frames import ValueBack, ValueInfo
    from farcell_protocol.ids import RunId
    from farcell_protocol.messages.api import Interpreter, RunRequest

    mine = FarPython()
    client = far(mine)
    cell("x = [1]")
    cell("%%gpu\nx.append(2)")
    request = RunRequest(RunId("r-000000000001"), b"", Interpreter("p", "3"), "any", "other.ipynb")
    big = ValueBack("theirs", "handle", info=ValueInfo("Model", "<Model>"), why="too large")
    known = view(request, "ended", session="s-000000000002", outcome="ok")
    client.known_runs[request.run] = (known, plays(big, session="s-000000000002"))
    assert cell(f"%gpu attach {request.run}").success
    assert isinstance(names["theirs"], Handle)
    cell("%%gpu\ny = x")
    assert client.cell().values == []  # our session still holds x
    assert names["y"] == [1, 2]
    assert cell("%%gpu\ntheirs").error_in_exec.code == "session-differs"
    cell("theirs.to_local()")
    assert client.requests[-1].notebook == "other.ipynb"
    mine.close()


def test_looking_at_a_run_again_says_nothing_of_what_it_bound_the_first_time(
    far: Any, cell: Any, names: Any, capsys: Any
) -> None:
    import pickle

    from far_client import plays, value, view

    from farcell_protocol.frames import ValueBack, ValueInfo
    from farcell_protocol.ids import RunId
    from farcell_protocol.messages.api import Interpreter, RunRequest

    client = far()
    request = RunRequest(RunId("r-000000000001"), b"", Interpreter("p", "3"), "any", "other.ipynb")
    big = ValueBack("big", "handle", info=ValueInfo("Model", "<Model>"), why="too large")
    script = plays(big, *value("y", pickle.dumps([1], 5)), *value("z", pickle.dumps([2], 5)))
    client.known_runs[request.run] = (view(request, "ended", outcome="ok"), script)
    cell(f"%gpu attach {request.run}")
    cell("z.append('mine')")
    cell(f"%gpu attach {request.run}")
    said = capsys.readouterr().err
    assert "z was bound anew" in said
    assert "y was bound anew" not in said
    assert "big was bound anew" not in said
    assert names["z"] == [2, "mine"]


def test_a_result_of_a_cell_that_ran_here_travels_when_a_far_cell_reads_it(
    far_side: Any, cell: Any, names: Any
) -> None:
    cell("41")
    cell("%%gpu\ny = _ + 1; z = _1")
    assert (names["y"], names["z"]) == (42, 41)
    cell("%%gpu\nfor _ in 'abc': pass\nlast = _")
    assert (names["last"], [value.name for value in far_side.cell().values]) == ("c", [])
    cell("import threading; threading.Lock()")
    assert cell("%%gpu\n_").error_in_exec.fields["path"] == "_"


def test_a_result_of_the_session_itself_does_not_travel_back(far: Any, cell: Any) -> None:
    import pickle

    from far_client import plays, value

    result = value("_", pickle.dumps([1], 5))
    client = far(plays(*result), plays(), plays(), plays(*result, session="s-000000000002"))
    cell("%%gpu\n[1]")
    cell("%%gpu\n_, _1")
    assert client.cell().values == []
    cell("'of this side'")
    cell("%%gpu\n_, _1")
    assert [value.name for value in client.cell().values] == ["_"]
    cell("%%gpu --session shared\n[1]")
    cell("%%gpu --session shared\n_")
    assert [value.name for value in client.cell().values] == ["_"]
