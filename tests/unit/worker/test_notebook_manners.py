"""What a far cell has in common with a cell of a notebook: names of its code, history, folder, errors."""

import re
from pathlib import Path

import pytest

from farcell_protocol.frames import SHOWN
from farcell_protocol.messages.cells import Source
from tests.unit.worker.standin import FarWorker, value_of


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_a_cells_code_has_the_name_that_the_client_gave_it(worker: FarWorker) -> None:
    ran = worker.run("def f(): pass\nf.__code__.co_filename", cell_name="/tmp/ipykernel_1/2.py", execution_count=3)
    assert ran.result == "'/tmp/ipykernel_1/2.py'"


def test_a_function_that_came_with_the_cell_shows_its_line_and_cell(worker: FarWorker) -> None:
    text = "def inverse(n):\n    return 1 / n\n"
    code: dict[str, object] = {}
    exec(compile(text, "/tmp/ipykernel_1/7.py", "exec"), code)
    import cloudpickle

    ran = worker.run(
        "inverse(0)",
        values=[value_of("inverse", cloudpickle.dumps(code["inverse"]))],
        sources=[Source("/tmp/ipykernel_1/7.py", 5, text)],
        execution_count=6,
    )
    trace = plain(ran.traceback)
    assert "Cell In[6], line 1" in trace
    assert "Cell In[5], line 2, in inverse(n)" in trace
    assert "----> 2     return 1 / n" in trace


def test_the_module_of_the_cells_has_what_every_module_has_also_after_a_reset(worker: FarWorker) -> None:
    ask = (
        "import sys, types\n"
        "type(sys.modules['__main__']) is types.ModuleType, vars(sys.modules['__main__']) is globals()"
    )
    assert worker.run(ask).result == "(True, True)"
    assert worker.run("__spec__, __loader__, __package__, __doc__[:21]").result == (
        "(None, None, None, 'Automatically created')"
    )
    worker.run("x = 1\n%reset -f")
    assert worker.run("'x' in globals()").result == "False"
    assert worker.run(ask).result == "(True, True)"


def test_a_usage_error_is_printed_and_the_error_says_that_it_was(worker: FarWorker) -> None:
    ran = worker.run("%no_such_magic")
    assert "UsageError" in ran.text("stderr")
    error = ran.only("error")
    assert (error.content["ename"], error.content["traceback"]) == ("UsageError", [])
    assert error.metadata == {SHOWN: True}
    assert ran.end.outcome == "error"


def test_an_ordinary_error_has_no_such_mark(worker: FarWorker) -> None:
    assert worker.run("1 / 0").only("error").metadata == {}


def test_input_history_has_the_notebooks_numbers(worker: FarWorker) -> None:
    worker.run("'first'", execution_count=4)
    assert worker.run("In[4], In[2], len(In)", execution_count=9).result == "(\"'first'\", '', 10)"


def test_a_cell_imports_from_its_folder_and_comes_back_to_it(worker: FarWorker, tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("answer = 42\n")
    worker.run(f"%cd -q {tmp_path}")
    assert worker.run("from beside_it import answer\nanswer").result == "42"
    worker.run("%cd -q -")
    assert worker.run("%pwd").result != repr(str(tmp_path))
    assert worker.run("%pwd").result == worker.run("str(get_ipython().starting_dir)").result


def test_a_keyboard_interrupt_of_the_codes_own_keeps_its_text(worker: FarWorker) -> None:
    assert worker.run("raise KeyboardInterrupt('by code')").error["evalue"] == "by code"


def test_bytes_that_are_no_text_are_shown_as_a_local_kernel_shows_them(worker: FarWorker) -> None:
    assert worker.run("import os\nos.write(1, b'caf\\xc3\\xa9 \\xff\\n');").text() == "café \ufffd\n"


@pytest.mark.parametrize(
    "taken", ["sys.stdout = None", "sys.stderr = None", "sys.stdout = sys.stderr = None", "del sys.stdout"]
)
def test_a_cell_that_takes_the_streams_away_hides_no_error_and_no_result(worker: FarWorker, taken: str) -> None:
    worker.run(f"import sys; kept = sys.stdout, sys.stderr; {taken}")
    assert worker.run("1 / 0").error["ename"] == "ZeroDivisionError"
    assert worker.run("x = (").error["ename"] == "SyntaxError"
    assert worker.run("1 + 1").result == "2"
    assert worker.run("display(3)").only("display_data").content["data"] == {"text/plain": "3"}
    ran = worker.run("%no_such_magic")
    assert "UsageError" in ran.text("stderr") + ran.text()
    ran = worker.run("raise ExceptionGroup('several', [ValueError(1)])")
    assert "several" in ran.text("stderr") + ran.text()
    worker.run("sys.stdout, sys.stderr = kept")
    assert worker.run("print('back')").text() == "back\n"


def test_a_stream_that_is_closed_or_another_is_as_in_a_notebook(worker: FarWorker) -> None:
    worker.run("import io, sys; kept = sys.stdout; sys.stdout = io.StringIO(); sys.stdout.close()")
    assert worker.run("1 / 0").error["ename"] == "ZeroDivisionError"
    assert worker.run("print('x')").error["ename"] == "ValueError"
    assert worker.run("1 + 1").result == "2"
    worker.run("sys.stdout = kept; sys.stdout.close()")
    assert worker.run("print('not silenced')").text() == "not silenced\n"
