"""`%gpu vars`: every variable with the side it lives on."""

import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from far_client import ScriptedClient
from far_python import FarPython

from farcell.exchange.sessions import FarSession
from farcell.handles import Handle
from farcell.variables import variables_shown, whereabouts
from farcell_protocol.errors import ErrorInfo
from farcell_protocol.frames import ValueInfo
from farcell_protocol.ids import SessionId


@pytest.fixture
def far_side(far: Any) -> Iterator[ScriptedClient]:
    python = FarPython()
    yield far(python)
    python.close()


def listed(capsys: Any) -> dict[str, str]:
    """The printed lines by variable, but for the head."""
    lines = [line for line in capsys.readouterr().out.splitlines() if line and not line.startswith("name ")]
    return {line.split()[0]: " ".join(line.split()[1:]) for line in lines}


def test_each_variable_is_here_or_there_or_on_both_sides(far_side: Any, cell: Any, capsys: Any) -> None:
    cell("mine = [1]; both = [2]; newer = [3]; gone = [4]")
    cell("%%gpu\nboth, newer, gone\nbig = b'x' * 3_000_000")
    cell("newer.append(0); del gone")
    capsys.readouterr()
    assert cell("%gpu vars").success
    rows = listed(capsys)
    there = "there (s-000000000001, H100 (simulated))"
    assert rows["mine"].startswith("list ")
    assert rows["mine"].endswith(" bytes here")
    assert rows["both"].endswith(f"here and {there} equal")
    assert rows["newer"].endswith(f"here and {there} differs: the value here wins")
    assert f"bytes 2.9 MiB {there} until " in rows["big"]
    assert rows["gone"].endswith(f"{there} deleted here")
    assert set(rows) == {"mine", "both", "newer", "gone", "big"}


def test_modules_definitions_and_hidden_names_are_no_variables() -> None:
    namespace = {"x": 1, "_hidden": 2, "sys": __import__("sys"), "f": lambda: 0, "C": int, "In": [], "_3": 3}
    assert [each.name for each in whereabouts(namespace, [])] == ["x"]


class Shy:
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


def test_a_value_that_raises_at_every_look_is_listed_as_what_it_is() -> None:
    namespace = {"shy": Shy(), "gone": weakref.proxy(type("Thing", (), {})())}
    assert [(each.name, each.type) for each in whereabouts(namespace, [])] == [
        ("gone", "weakref.ProxyType"),
        ("shy", f"{__name__.partition('.')[0]}.Shy"),
    ]


def test_a_cell_that_reads_a_value_that_raises_at_every_look_names_it(far_side: Any, cell: Any) -> None:
    cell("import weakref; gone = weakref.proxy(type('Thing', (), {})())")
    error = cell("%%gpu\ngone").error_in_exec
    assert (error.code, error.fields["name"]) == ("value-not-picklable", "gone")
    cell("class Shy:\n    def __getattribute__(self, name): raise RuntimeError(name)\nshy = [Shy()]")
    error = cell("%%gpu\nshy").error_in_exec
    assert (error.code, error.fields["path"]) == ("value-not-picklable", "shy[0]")


def test_after_a_session_ended_its_variables_are_here_or_gone(far_side: Any, cell: Any, capsys: Any) -> None:
    cell("kept = [1]")
    cell("%%gpu\nkept\nbig = b'x' * 3_000_000")
    far_side.ended_sessions["s-000000000001"] = ErrorInfo("session-ended", "idle for 300 s")
    capsys.readouterr()
    cell("%gpu vars")
    rows = listed(capsys)
    assert rows["kept"].endswith(" here")
    assert "re-run cell [2]" in rows["big"]


def test_a_notebook_without_variables_is_told_what_to_do(far: Any, cell: Any, capsys: Any) -> None:
    client: ScriptedClient = far()
    assert cell("%gpu vars").success
    assert "There are no variables yet. Bind some here, or write %%gpu" in capsys.readouterr().out
    assert (client.requests, client.said) == ([], [])


def test_a_value_that_cannot_be_pickled_or_measured_is_listed_all_the_same() -> None:
    class Odd:
        def __sizeof__(self) -> int:
            raise TypeError

        def __reduce__(self) -> Any:
            raise ValueError

    session = FarSession(SessionId("s-1"), ("H100", "train"))
    session.ledger.exchange("odd", "a", "a")
    [found] = whereabouts({"odd": Odd()}, [session])
    assert (found.size_bytes, found.where) == (None, "here and there (train s-1)")
    assert found.state.startswith("differs")


def test_the_html_form_says_the_same_and_escapes_it() -> None:
    home = FarSession(SessionId("s-1"), ("H100", ""))
    shown = variables_shown({"m": Handle(home, "m", ValueInfo("<Model>", ""), 1)}, [home])
    assert "<Model>" in shown["text/plain"]
    assert "&lt;Model&gt;" in shown["text/html"]
    assert shown["text/html"].count("<tr>") == 2
