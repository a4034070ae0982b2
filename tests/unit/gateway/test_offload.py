"""`%gpu use`, `%%local` and tags of cells, in a real shell: what goes, what stays, and that nobody can tell."""

import ast
import builtins
import json
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from far_client import ScriptedClient, error, plays, stream, value
from far_python import FarPython
from IPython.core.inputtransformer2 import TransformerManager

from farcell import magics
from farcell.notebook import Notebook
from farcell.offload.hook import Offloading, resume
from farcell.offload.nature import opts_out, spec_in, stays_here, without_local
from farcell.offload.tags import Tags, saved_notebook
from farcell_protocol.frames import Message


def parsed(cell: str) -> ast.Module:
    return ast.parse(TransformerManager().transform_cell(cell))


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "# only a remark",
        "%gpu status",
        "%gpu use local\nx = 1",
        "x = 1\n%gpu status",
        "%%gpu cpu\nx = 1",
        "%load_ext autoreload",
        "%load_ext a\n%reload_ext b\n# and no more",
        "%%javascript\nalert(1)",
        "%%html\n<b>",
        "x?",
        "?x",
        "%history",
    ],
)
def test_cells_that_only_this_kernel_can_do_stay(cell: str) -> None:
    assert stays_here(parsed(cell))


@pytest.mark.parametrize(
    "cell",
    [
        "x = 1",
        "await f()",
        "!ls",
        "%timeit 1",
        "%%time\n1",
        "%%bash\nls",
        "%matplotlib inline",
        "%load_ext a\nx = 1",
        "%%writefile a.txt\nx",
        "files = !ls",
        "'%gpu status'",
    ],
)
def test_everything_else_goes(cell: str) -> None:
    assert not stays_here(parsed(cell))


def test_the_line_of_a_local_cell_becomes_a_comment_or_makes_room_for_another_magic() -> None:
    assert without_local(["%%local\n", "x = 1\n"]) == ["#%%local\n", "x = 1\n"]
    assert without_local(["%%local  \n", "%%time\n", "x\n"]) == ["%%time\n", "x\n"]
    for lines in ([], ["x\n", "%%local\n"], ["%%locally\n"]):
        assert without_local(lines) == lines
    assert opts_out("\n%%local \nx")
    assert not opts_out("%%locale\nx")


def test_the_first_tag_with_a_specification_counts() -> None:
    assert spec_in(["slow", "gpu:H100:2", "gpu:cpu", 3]) == "H100:2"
    assert spec_in(["gpu:local"]) == "local"
    assert spec_in(["gpu", "use:gpu:H100"]) is None


def test_use_sends_every_following_cell_until_it_is_taken_back(far: Any, cell: Any, capsys: Any) -> None:
    client: ScriptedClient = far()
    cell("%gpu use H100:2 --session train --timeout 2m")
    assert "every following cell runs as with %%gpu H100:2 --session train --timeout 120s" in capsys.readouterr().out
    assert client.requests == []
    cell("x = 1")
    request = client.requests[0]
    assert (request.gpu, request.session, request.timeout_s, request.title) == ("H100:2", "train", 120.0, "x = 1")
    assert client.cell().source == "x = 1"
    cell("%gpu use")
    assert "H100:2 --session train" in capsys.readouterr().out
    cell("%gpu use local  # it's enough")
    cell("x = 2")
    assert len(client.requests) == 1
    cell("%gpu use")
    assert "cells run here" in capsys.readouterr().out


def test_what_use_cannot_read_is_a_usage_error_and_changes_nothing(far: Any, cell: Any) -> None:
    client: ScriptedClient = far()
    cell("%gpu use cpu  # don't wait for a GPU")
    assert type(cell("%gpu use A100 H100").error_in_exec).__name__ == "UsageError"
    assert type(cell("%gpu use --wibble").error_in_exec).__name__ == "UsageError"
    cell("1")
    assert client.requests[0].gpu == "cpu"


def test_a_local_cell_stays_and_is_plain_in_every_way(far: Any, cell: Any, shell: Any) -> None:
    client: ScriptedClient = far()
    cell("%gpu use cpu")
    result = cell("%%local\nhere = 6\nhere * 7")
    assert (result.result, shell.user_ns["_"], shell.user_ns["Out"][2]) == (42, 42, 42)
    assert cell("%%local\nimport asyncio\nawait asyncio.sleep(0)\nhere = 7").success
    assert shell.user_ns["here"] == 7
    assert cell("%%local\n%%capture out\nprint(here)").success
    assert shell.user_ns["out"].stdout == "7\n"
    assert client.requests == []


def test_the_history_and_the_counter_cannot_tell(far: Any, cell: Any, shell: Any) -> None:
    shown = Message("execute_result", {"execution_count": 3, "data": {"text/plain": "2"}, "metadata": {}})
    far(plays(), plays(shown, *value("_", pickle.dumps(2))))
    cell("%gpu use cpu")
    cell("files = !ls")
    result = cell("1+1")
    names = shell.user_ns
    assert (names["In"][3], names["_i3"], names["_ih"][3]) == ("1+1",) * 3
    assert names["In"][2] == "files = get_ipython().getoutput('ls')"
    assert (result.result, names["_"], names["Out"], result.execution_count) == (2, 2, {3: 2}, 3)
    assert shell.execution_count == 4


def test_a_syntax_error_is_the_plain_cells_and_nothing_is_sent(far: Any, cell: Any, capsys: Any) -> None:
    client: ScriptedClient = far()

    def said(source: str) -> str:
        capsys.readouterr()
        assert not cell(source).success
        both = capsys.readouterr()
        return both.out + both.err

    for source in ("x = (2", "if 1:\npass", "return 5"):
        cell("%gpu use local")
        plain = said(source)
        cell("%gpu use cpu")
        far_away = said(source)
        assert far_away.splitlines()[1:] == plain.splitlines()[1:]  # the first line has the cell's number
    assert client.requests == []


def test_after_a_syntax_error_nothing_that_runs_silently_is_sent(far: Any, cell: Any, shell: Any) -> None:
    client: ScriptedClient = far()
    cell("%gpu use cpu")
    cell("x = (2")
    shell.run_cell("y = 1", silent=True)
    shell.run_cell("z = 1", store_history=False)
    assert client.requests == []
    assert (shell.user_ns["y"], shell.user_ns["z"]) == (1, 1)


def test_code_that_a_local_cell_compiles_stays_too(far: Any, cell: Any, shell: Any) -> None:
    client: ScriptedClient = far()
    cell("%gpu use cpu")
    assert cell("%%local\n%%time\ntimed = 1").success
    assert cell("%%local\nget_ipython().run_cell('inner = 2', store_history=False)").success
    assert (shell.user_ns["timed"], shell.user_ns["inner"]) == (1, 2)
    assert client.requests == []


def test_top_level_await_goes_as_it_is(far: Any, cell: Any) -> None:
    client: ScriptedClient = far(plays(stream("done\n")))
    cell("%gpu use cpu")
    assert cell("import asyncio\nawait asyncio.sleep(0)").success
    assert client.cell().source == "import asyncio\nawait asyncio.sleep(0)"


def test_the_far_exception_is_shown_as_for_a_marked_cell(far: Any, cell: Any, capsys: Any) -> None:
    far(plays(error("WeirdError", "odd"), outcome="error"))
    cell("%gpu use cpu")
    result = cell("boom()")
    assert type(result.error_in_exec).__name__ == "WeirdError"
    assert capsys.readouterr().out.count("far traceback") == 1


def test_a_cell_with_its_own_magic_goes_where_that_says(far: Any, cell: Any) -> None:
    client: ScriptedClient = far()
    cell("%gpu use H100")
    cell("%%gpu cpu\n1")
    assert [request.gpu for request in client.requests] == ["cpu"]


def test_values_go_and_come_as_for_a_marked_cell(far: Any, cell: Any, shell: Any) -> None:
    python = FarPython()
    far(python)
    cell("x = [1]")
    cell("%gpu use cpu")
    cell("x.append(2)\nimport colorsys\ny = len(x)")
    assert (shell.user_ns["x"], shell.user_ns["y"], shell.user_ns["colorsys"].__name__) == ([1, 2], 2, "colorsys")
    python.close()


@pytest.fixture
def tagged(shell: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pretend that the front end sends this metadata with the next cells."""

    def send(**metadata: Any) -> None:
        monkeypatch.setattr(magics.load(shell).offloading, "_metadata", lambda: metadata)

    return send


def test_a_tag_sends_one_cell(far: Any, cell: Any, tagged: Any) -> None:
    client: ScriptedClient = far()
    tagged(tags=["gpu:A100,H100"], cellId="c1", deletedCells=[])
    cell("x = 1")
    tagged(cellId="c2", deletedCells=[])
    cell("x = 2")
    assert [request.gpu for request in client.requests] == ["A100,H100"]


def test_a_tag_wins_over_use_and_a_local_line_over_both(far: Any, cell: Any, tagged: Any) -> None:
    client: ScriptedClient = far()
    cell("%gpu use cpu --session train")
    tagged(tags=["gpu:H100"])
    cell("1")
    cell("%%local\n2")
    tagged(tags=["gpu:local"])
    cell("3")
    assert [(request.gpu, request.session) for request in client.requests] == [("H100", "")]


def test_a_tag_that_cannot_be_read_says_so_at_its_cell_each_time(far: Any, cell: Any, tagged: Any) -> None:
    client: ScriptedClient = far()
    tagged(tags=["gpu:H100:none"])
    for _ in range(2):
        assert cell("1").error_in_exec.code == "bad-spec"
    assert client.requests == []


def test_tags_that_are_not_sent_are_read_from_the_saved_notebook(tmp_path: Path) -> None:
    file = tmp_path / "nb.ipynb"
    cells = [
        {"id": "c1", "source": ["x = 1\n", "y = 2"], "metadata": {"tags": ["gpu:cpu"]}},
        {"id": "c2", "source": "twice", "metadata": {"tags": ["gpu:H100"]}},
        {"id": "c3", "source": "twice", "metadata": {}},
    ]
    file.write_text(json.dumps({"cells": cells}))
    tags = Tags()
    assert tags.of({"cellId": "c1"}, "edited since", file) == ["gpu:cpu"]
    assert tags.of({}, "x = 1\ny = 2", file) == ["gpu:cpu"]
    assert tags.of({"cellId": "an id of the front end's own"}, "twice", file) == []
    assert tags.of({"cellId": "c1", "deletedCells": []}, "x", file) == []  # sent whole: it has no tags
    file.write_text("no notebook")
    assert tags.of({"cellId": "c1"}, "x", file) == []
    assert tags.of({"cellId": "c1"}, "x", tmp_path / "unsaved.ipynb") == []


def test_where_the_notebook_lies_is_said_by_server_or_editor() -> None:
    assert saved_notebook({"JPY_SESSION_NAME": "/a/nb.ipynb"}, {}) == Path("/a/nb.ipynb")
    assert saved_notebook({}, {"__vsc_ipynb_file__": "/b/nb.ipynb"}) == Path("/b/nb.ipynb")
    assert saved_notebook({"JPY_SESSION_NAME": "/a/console"}, {}) is None


class Shell:
    """As much of IPython's shell as an `Offloading` hangs itself into."""

    def __init__(self) -> None:
        self.ast_transformers: list[Offloading] = []
        self.input_transformers_cleanup: list[Any] = []
        self.events = SimpleNamespace(register=lambda name, hook: self.hooks.update({name: hook}))
        self.hooks: dict[str, Any] = {}


def test_two_shells_in_one_process_each_run_their_own_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    went, shells = [], [Shell(), Shell()]
    for number, shell in enumerate(shells):
        notebook = Notebook({}, "nb", lambda: None, use="cpu")  # type: ignore[arg-type]
        Offloading(notebook, dict, lambda wanted, source, number=number: went.append((number, source))).install(shell)
        shell.hooks["pre_run_cell"](SimpleNamespace(raw_cell=f"x = {number}", store_history=True, silent=False))
        shell.ast_transformers[0].visit(ast.parse(f"x = {number}"))
    for shell in shells:
        monkeypatch.setattr(builtins, "get_ipython", lambda shell=shell: shell, raising=False)
        resume()
        resume()
    assert went == [(0, "x = 0"), (1, "x = 1")]
