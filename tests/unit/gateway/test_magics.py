"""The magics in a real shell: what is refused here, what is shown, detaching and attaching."""

import pickle
import re
from collections.abc import Iterable
from typing import Any

import pytest
from far_client import ScriptedClient, Step, error, plays, stream, value, view
from IPython.core.completer import provisionalcompleter

from farcell_protocol.errors import ErrorInfo, ExecutorUnreachable, NoDeviceFits
from farcell_protocol.frames import Message
from farcell_protocol.ids import RunId
from farcell_protocol.messages.api import Interpreter, RunRequest, SessionView


def shown(result: Any) -> str:
    """What IPython prints of a cell's exception, but for the colours."""
    return "\n".join(result.error_in_exec._render_traceback_())


def earlier(run: str, state: Any, created: float) -> Any:
    request = RunRequest(RunId(run), b"", Interpreter("p", "3"), "H100", "nb.ipynb")
    return view(request, state, outcome="ok" if state == "ended" else None)


def test_an_empty_cell_says_so_and_sends_nothing(far: Any, cell: Any, capsys: Any) -> None:
    client = far()
    assert cell("%%gpu H100\n  \n").success
    assert "the cell is empty: nothing was sent" in capsys.readouterr().err
    assert client.requests == []


def test_a_syntax_error_is_reported_here_with_the_cells_own_line(far: Any, cell: Any, capsys: Any) -> None:
    client = far()
    result = cell("%%gpu H100\nx = 1\ny = (2")
    out = capsys.readouterr()
    assert type(result.error_in_exec).__name__ == "SyntaxError"
    assert "line 3" in out.out + out.err
    assert "Traceback" not in out.out + out.err
    assert client.requests == []
    cell("x = 1\n\ny = (2")
    local = capsys.readouterr()
    without_number = re.compile(r"In\[\d+\]")
    assert without_number.sub("", out.out + out.err) == without_number.sub("", local.out + local.err)


@pytest.mark.parametrize(
    ("source", "kind"), [("1+" * 20_000 + "1", "RecursionError"), ("x = '\0'", "(Value|Syntax)Error")]
)
def test_what_python_cannot_compile_for_other_reasons_is_shown_without_our_frames(
    far: Any, cell: Any, capsys: Any, source: str, kind: str
) -> None:
    client = far()
    result = cell(f"%%gpu H100\n{source}")
    out = capsys.readouterr()
    assert re.fullmatch(kind, type(result.error_in_exec).__name__)
    assert len((out.out + out.err).splitlines()) <= 5
    assert "magics.py" not in out.out + out.err
    assert client.requests == []


def test_what_nests_as_deep_as_a_plain_cell_may_is_sent(far: Any, cell: Any) -> None:
    client = far()
    source = "1+" * 700 + "1"
    assert cell(source).success
    assert cell(f"%%gpu\n{source}").success
    assert len(client.requests) == 1


def test_top_level_await_and_shell_syntax_are_no_syntax_errors(far: Any, cell: Any) -> None:
    client = far()
    assert cell("%%gpu\nawait f()\n!ls\n%timeit 1").success
    assert client.cell().source == "#%%gpu\nawait f()\n!ls\n%timeit 1"


def test_a_cell_magic_inside_stays_first(far: Any, cell: Any) -> None:
    client = far()
    cell("v = 3")
    assert cell("%%gpu\n%%time\nw = v").success
    sent = client.cell()
    assert sent.source.startswith("%%time\n")
    assert [one.name for one in sent.values] == ["v"]
    assert "w" in sent.returns


def test_the_request_says_where_it_comes_from(far: Any, cell: Any) -> None:
    client = far()
    cell("%%gpu a100:2 --session train --timeout 2m\n\nprint(1)")
    request = client.requests[0]
    assert (request.gpu, request.session, request.timeout_s) == ("A100:2", "train", 120.0)
    assert (request.notebook, request.title, request.once) == ("nb.ipynb", "print(1)", False)
    assert client.cell().execution_count == 1


def test_once_brings_values_home_whole(far: Any, cell: Any) -> None:
    client = far()
    cell("%%gpu --once\nx = 1")
    assert client.cell().inline_limit_bytes == 32 * 2**20


@pytest.mark.parametrize("line", ["--wibble", "A100, H100", "--timeout never"])
def test_a_wrong_option_is_a_usage_error(far: Any, cell: Any, line: str, capsys: Any) -> None:
    client = far()
    assert type(cell(f"%%gpu {line}\n1").error_in_exec).__name__ == "UsageError"
    assert client.requests == []


def test_a_blank_in_the_specification_is_refused_with_its_code(far: Any, cell: Any) -> None:
    client = far()
    result = cell('%%gpu "H100 "\n1')
    assert "(bad-spec)" in shown(result)
    assert client.requests == []


def test_the_far_exception_is_shown_once_under_its_own_name(far: Any, cell: Any, capsys: Any) -> None:
    far(plays(stream("before\n"), error("WeirdError", "odd"), outcome="error"))
    result = cell("%%gpu\nboom()")
    assert type(result.error_in_exec).__name__ == "WeirdError"
    assert (result.error_in_exec.ename, result.error_in_exec.evalue) == ("WeirdError", "odd")
    out = capsys.readouterr()
    assert out.out.count("far traceback") == 1
    assert "watch.py" not in out.out + out.err


def test_far_errors_survive_pickling(far: Any, cell: Any) -> None:
    far(plays(error("WeirdError", "odd"), outcome="error"))
    raised = cell("%%gpu\nboom()").error_in_exec
    again = pickle.loads(pickle.dumps(raised))
    assert (type(again).__name__, again.args, again.traceback) == ("WeirdError", ("odd",), raised.traceback)


def test_no_such_gpu_lists_what_there_is_and_three_lines_to_paste(far: Any, cell: Any) -> None:
    reason = ErrorInfo("no-device-fits", "nothing here has a B200")
    far(plays(outcome="refused", reason=reason))
    result = cell("%%gpu B200\n1")
    assert isinstance(result.error_in_exec, NoDeviceFits)
    text = shown(result)
    for line in ("here has 1x H100 (simulated)", "%%gpu cpu", "%gpu simulate B200", "%gpu connect URL"):
        assert line in text


def test_an_executor_that_is_not_there_is_said_without_our_frames(far: Any, cell: Any, shell: Any) -> None:
    far()

    def refuse(target: Any, on_start: Any) -> Any:
        on_start("Starting…")
        raise ExecutorUnreachable("nobody answers at unix:///x")

    from farcell import magics

    magics.load(shell).notebook.dial = refuse
    assert shown(cell("%%gpu\n1")) == "ExecutorUnreachable: nobody answers at unix:///x\n(executor-unreachable)"


def test_a_lost_worker_ends_its_session_and_its_handles(far: Any, cell: Any, shell: Any) -> None:
    from farcell_protocol.frames import ValueBack, ValueInfo

    handle = ValueBack("m", "handle", info=ValueInfo("Model", "<Model>"), why="too large")
    reason = ErrorInfo("worker-exited", "exit code 3")
    far(plays(handle), plays(outcome="lost", reason=reason))
    cell("%%gpu\nm = Model()")
    assert "released at" in repr(shell.user_ns["m"])
    assert cell("%%gpu\nimport os; os._exit(3)").error_in_exec.code == "worker-exited"
    assert "re-run cell [1]" in repr(shell.user_ns["m"])


def test_a_fault_of_the_worker_that_its_session_survives_leaves_the_handles_alive(
    far: Any, cell: Any, shell: Any
) -> None:
    from farcell_protocol.frames import ValueBack, ValueInfo

    handle = ValueBack("m", "handle", info=ValueInfo("Model", "<Model>"), why="too large")
    fault = ErrorInfo("run-failure", "the worker itself failed: AttributeError: no write")
    far(plays(handle), plays(outcome="lost", reason=fault))
    cell("%%gpu\nm = Model()")
    assert cell("%%gpu\nprint('x')").error_in_exec.code == "run-failure"
    assert "released at" in repr(shell.user_ns["m"])


def test_detaching_returns_at_once_and_attaching_binds(far: Any, cell: Any, shell: Any, capsys: Any) -> None:
    script = plays(stream("hello\n"), *value("y", pickle.dumps([1])))
    client = far(script)
    assert cell("%%gpu --detach\ny = [1]").success
    request = client.requests[0]
    assert f"left running: run {request.run}" in capsys.readouterr().err
    assert "y" not in shell.user_ns
    client.known_runs[request.run] = (view(request), script)
    assert cell("%gpu attach").success
    assert shell.user_ns["y"] == [1]
    assert "hello\n" in capsys.readouterr().out


def test_a_name_bound_anew_while_the_run_went_on_stays(far: Any, cell: Any, shell: Any, capsys: Any) -> None:
    script = plays(*value("y", pickle.dumps([1])), *value("z", pickle.dumps([2])))
    client = far(script)
    cell("z = [0]")
    cell("%%gpu --detach\ny = [1]\nz.append(1)")
    cell("y = 'mine'\nz.append('in place')")
    request = client.requests[0]
    client.known_runs[request.run] = (view(request), script)
    cell("%gpu attach")
    assert (shell.user_ns["y"], shell.user_ns["z"]) == ("mine", [0, "in place"])
    assert "y was bound anew here" in capsys.readouterr().err


def test_a_refused_run_is_not_left_behind_by_detach(far: Any, cell: Any) -> None:
    def refused(request: RunRequest) -> Iterable[Step]:
        yield NoDeviceFits("none")

    far(refused)
    assert cell("%%gpu B200 --detach\n1").error_in_exec.code == "no-device-fits"


def test_a_new_kernel_attaches_to_the_newest_run_of_its_notebook(far: Any, cell: Any, shell: Any) -> None:
    client: ScriptedClient = far()
    for run, state, number in (
        ("r-000000000001", "ended", 1),
        ("r-000000000002", "running", 2),
        ("r-000000000003", "ended", 3),
    ):
        script = plays(*value("who", pickle.dumps(run)))
        client.known_runs[RunId(run)] = (earlier(run, state, number), script)
    cell("%gpu attach")
    assert shell.user_ns.pop("who") == "r-000000000002"
    client.known_runs[RunId("r-000000000002")] = (earlier("r-000000000002", "ended", 2), plays())
    cell("%gpu attach r-000000000001")
    assert shell.user_ns["who"] == "r-000000000001"


def test_attaching_raises_what_the_run_raised(far: Any, cell: Any) -> None:
    client: ScriptedClient = far()
    run = "r-000000000001"
    client.known_runs[RunId(run)] = (earlier(run, "ended", 1), plays(error(), outcome="error"))
    assert type(cell("%gpu attach").error_in_exec).__name__ == "ValueError"
    assert cell("%gpu attach").error_in_exec.code == "not-found"


def test_status_shows_executor_nodes_sessions_and_runs(far: Any, cell: Any, capsys: Any) -> None:
    client: ScriptedClient = far()
    client.known_sessions = [SessionView("s-1", "train", "nb.ipynb", "H100", "ready", 1.0, expires=2.0)]  # type: ignore[arg-type]
    client.known_runs[RunId("r-000000000002")] = (earlier("r-000000000002", "running", 2), plays())
    cell("%gpu")
    text = capsys.readouterr().out
    for part in ("executor 0.1.0", "here (embedded): 1x H100 (simulated), 1 free", "train", "r-000000000002"):
        assert part in text


def test_stop_cancels_runs_and_releases_sessions_by_id_name_or_all(far: Any, cell: Any, capsys: Any) -> None:
    client: ScriptedClient = far()
    client.known_sessions = [
        SessionView("s-1", "train", "nb.ipynb", "H100", "ready", 1.0),  # type: ignore[arg-type]
        SessionView("s-2", "", "nb.ipynb", "H100", "ready", 1.0),  # type: ignore[arg-type]
    ]
    for target in ("", "r-000000000009", "train", "s-2", "--all"):
        cell(f"%gpu stop {target}")
    assert client.said == [
        ("cancel", "r-000000000009"),
        ("stop", "s-1"),
        ("stop", "s-2"),
        ("stop", "s-1"),
        ("stop", "s-2"),
    ]
    assert cell("%gpu stop nobody").error_in_exec.code == "not-found"


def test_logs_and_simulate(far: Any, cell: Any, capsys: Any) -> None:
    client: ScriptedClient = far()
    cell("%gpu simulate H100:2")
    cell("%gpu logs r-000000000009")
    text = capsys.readouterr().out
    assert "H100 (simulated)" in text
    assert "what it printed\n" in text
    assert client.said == [("simulate", "H100:2")]


def test_help_is_there_for_both_forms(far: Any, cell: Any, shell: Any) -> None:
    far()
    info = shell.object_inspect("%%gpu")
    for words in ("--session NAME", "%gpu use H100", "%%local", "gpu:H100", "%gpu vars"):
        assert words in info["docstring"]
    assert "Run this cell here" in shell.object_inspect("%%local")["docstring"]


def test_ipython_completes_both_forms(far: Any, cell: Any, shell: Any) -> None:
    far()
    assert "--session" in shell.complete("--s", "%%gpu --s", 9)[1]
    assert "simulate" in shell.complete("sim", "%gpu sim", 8)[1]
    assert "cpu" in shell.complete("", "%%gpu ", 6)[1]


def test_words_of_python_do_not_stand_among_those_of_the_magic(far: Any, shell: Any) -> None:
    far()
    known = ["cpu", "H100", "A100", "L4", "any", "--session", "--timeout", "--once", "--detach"]
    assert completions(shell, "%%gpu ") == known
    assert completions(shell, "%%gpu h1") == ["H100"]
    assert "lambda" in completions(shell, "%%gpu\nlamb")


def completions(shell: Any, text: str) -> list[str]:
    """What a front end is offered at the end of `text`."""
    with provisionalcompleter():
        return [one.text for one in shell.Completer.completions(text, len(text))]


def test_results_keep_the_local_number(far: Any, cell: Any, capsys: Any) -> None:
    result = Message("execute_result", {"execution_count": 7, "data": {"text/plain": "2"}, "metadata": {}})
    far(plays(result))
    cell("%%gpu\n1+1")
    assert "Out[7]: 2" in capsys.readouterr().out


def test_changing_the_executor_forgets_its_sessions(far: Any, cell: Any, shell: Any) -> None:
    client = far(plays(), plays(session="s-000000000002"))
    cell("x = 1")
    cell("%%gpu\nx")
    import farcell

    farcell.connect("http://127.0.0.1:1", "t")
    cell("%%gpu\nx")
    assert [one.name for one in client.cell().values] == ["x"]


def test_a_failed_connect_leaves_the_executor_as_it_was(far: Any, cell: Any, shell: Any) -> None:
    from farcell import config, magics

    far()
    config.connect("http://127.0.0.1:1", "t")
    notebook = magics.load(shell).notebook

    def refuse(target: Any, on_start: Any) -> Any:
        raise ExecutorUnreachable(f"nobody answers at {target.url}")

    notebook.dial = refuse
    assert cell("%gpu connect http://127.0.0.1:2").error_in_exec.code == "executor-unreachable"
    assert config.target({}).url == "http://127.0.0.1:1"


def test_a_refused_run_can_be_attached_to_and_says_why(far: Any, cell: Any) -> None:
    client: ScriptedClient = far()
    request = RunRequest(RunId("r-000000000001"), b"", Interpreter("p", "3"), "H100", "nb.ipynb")
    refusal = plays(session="", outcome="refused", reason=ErrorInfo("no-device-fits", "no such GPU"))
    client.known_runs[request.run] = (view(request, "ended", session="", outcome="refused"), refusal)
    assert cell("%gpu attach").error_in_exec.code == "no-device-fits"


def test_imports_of_a_detached_run_are_bound_when_it_is_attached(far: Any, cell: Any, shell: Any) -> None:
    from farcell_protocol.frames import ValueBack

    script = plays(ValueBack("c", "module", b"colorsys"))
    client = far(script)
    cell("%%gpu --detach\nimport colorsys as c")
    request = client.requests[0]
    client.known_runs[request.run] = (view(request), script)
    cell("%gpu attach")
    assert shell.user_ns["c"].__name__ == "colorsys"


def test_a_new_kernel_that_attaches_gets_values_and_imported_modules(far: Any, cell: Any, shell: Any) -> None:
    from farcell_protocol.frames import ValueBack

    client: ScriptedClient = far()
    run = RunId("r-000000000001")
    frames = [
        ValueBack("xml", "module", b"xml"),
        ValueBack("heavy", "module", b"not_here"),
        *value("y", pickle.dumps(1)),
    ]
    client.known_runs[run] = (earlier(run, "ended", 1), plays(*frames))
    assert cell("%gpu attach").success
    assert cell("found = xml.etree.ElementTree.fromstring('<a/>').tag, y, heavy.__name__").success
    assert shell.user_ns["found"] == ("a", 1, "not_here")


def test_a_module_that_is_here_already_is_not_said_to_be_bound_anew(
    far: Any, cell: Any, shell: Any, capsys: Any
) -> None:
    from farcell_protocol.frames import ValueBack

    client: ScriptedClient = far()
    run = RunId("r-000000000001")
    client.known_runs[run] = (earlier(run, "ended", 1), plays(ValueBack("json", "module", b"json")))
    cell("import json; mine = json")
    cell("%gpu attach")
    assert shell.user_ns["json"] is shell.user_ns["mine"]
    assert "bound anew" not in capsys.readouterr().err


def test_the_result_is_underscore_and_out_here_too(far: Any, cell: Any, shell: Any) -> None:
    shown = Message("execute_result", {"execution_count": 2, "data": {"text/plain": "[1]"}, "metadata": {}})
    far(plays(shown, *value("_", pickle.dumps([1]))))
    cell("'before'")
    result = cell("%%gpu\n[1]")
    assert (result.result, shell.user_ns["_"], shell.user_ns["__"]) == ([1], [1], "before")
    assert shell.user_ns["Out"][2] is shell.user_ns["_2"] is shell.user_ns["_"]
    cell("len(_)")
    assert shell.user_ns["_"] == 1


def test_a_result_that_stayed_or_would_import_much_is_a_handle(far: Any, cell: Any, shell: Any) -> None:
    from farcell.handles import Handle
    from farcell_protocol.frames import ValueBack, ValueInfo

    stayed = ValueBack("_", "handle", info=ValueInfo("Model", "<Model>"), why="too large")
    heavy = value("_", b"cnot_loaded_here.parts\nThing\n.")
    far(plays(stayed), plays(*heavy))
    cell("%%gpu\nModel()")
    assert isinstance(shell.user_ns["_"], Handle)
    assert shell.user_ns["_"].name == "_1"
    cell("%%gpu\nThing()")
    assert "not_loaded_here would have to be imported" in repr(shell.user_ns["_"])


def test_a_cell_without_a_result_leaves_underscore_alone(far: Any, cell: Any, shell: Any) -> None:
    far(plays())
    cell("5")
    cell("%%gpu\nx = 1")
    assert (shell.user_ns["_"], list(shell.user_ns["Out"])) == (5, [1])


def test_ipythons_own_open_stays_and_the_users_travels(far: Any, cell: Any) -> None:
    client = far()
    cell("%%gpu\nopen")
    assert client.cell().values == []
    cell("def open(): return 1")
    cell("%%gpu\nopen")
    assert [one.name for one in client.cell().values] == ["open"]
