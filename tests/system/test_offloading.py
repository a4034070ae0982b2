"""`%gpu use`, `%%local` and a cell's tag in a real kernel: the cells run in a worker, and look as if they had not."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.installation import Installation
from tests.system.notebooks import Notebook, Shown, notebook, plain

pytestmark = [pytest.mark.xdist_group("offloading"), pytest.mark.timeout(180)]


@pytest.fixture
def using(shared_kernel: Notebook) -> Iterator[Notebook]:
    """A kernel all of whose cells go away, until the test is over."""
    shared_kernel.ok("import os\nhome = os.getpid()")
    shared_kernel.ok("%gpu use cpu")
    yield shared_kernel
    shared_kernel.ok("%gpu use local")
    shared_kernel.ok("%gpu stop --all")


def with_metadata(kernel: Notebook, source: str, **metadata: object) -> Shown:
    """Run a cell as a front end that sends this metadata with it."""
    content = {"code": source, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
    message = kernel.client.session.msg("execute_request", content, metadata=metadata)
    kernel.client.shell_channel.send(message)
    return kernel.finish(message["header"]["msg_id"])


def numbered(shown: Shown) -> list[tuple[str, int]]:
    """The kinds and numbers of the messages that carry a cell's number."""
    return [
        (message["msg_type"], message["content"]["execution_count"])
        for message in shown.messages
        if "execution_count" in message["content"]
    ]


def test_every_cell_runs_there_until_it_is_taken_back(using: Notebook):
    assert using.ok("import os\nprint(os.getpid() == home)").text == "False\n"
    assert using.ok("%%local\nprint(os.getpid() == home)").text == "True\n"
    assert using.ok("!echo $PPID").text.strip() != str(using.pid)
    using.ok("%gpu use local")
    assert using.ok("print(os.getpid() == home)").text == "True\n"


def test_a_result_is_numbered_and_remembered_as_a_plain_one(using: Notebook):
    shown = using.ok("6 * 7")
    (kind, number), (kind_of_result, number_of_result) = numbered(shown)
    assert (kind, kind_of_result, number) == ("execute_input", "execute_result", number_of_result)
    asked = f"%%local\n(_, Out[{number}], In[{number}], _{number})"
    assert using.ok(asked).result == "(42, 42, '6 * 7', 42)"
    assert using.ok("%%local\n_i").result == repr(asked)
    assert using.ok("[1, 2];").result == ""
    assert using.ok("%%local\nlen(In)").result == str(number + 5)


def test_far_cells_see_results_of_far_cells(using: Notebook):
    using.ok("[1, 2]")
    assert using.ok("_ + [3]").result == "[1, 2, 3]"
    assert using.ok("len(_) + len(__)").result == "5"


def test_far_cells_see_results_of_local_cells_and_go_on_counting(using: Notebook):
    using.ok("'far'")
    number = numbered(using.ok("%%local\n'near'"))[-1][1]
    assert using.ok(f"_, _{number}").result == "('near', 'near')"
    assert using.ok("len(_)").result == "2"
    assert using.ok("_ * 2").result == "4"


def test_a_result_that_cannot_come_home_is_a_handle(using: Notebook):
    using.ok("import threading\nthreading.Lock()")
    shown = using.ok("%%local\n_")
    assert re.match(r"<far _\d+: .*lock", shown.result)


def test_a_result_of_numpy_comes_home(using: Notebook):
    pytest.importorskip("numpy")
    using.ok("import numpy as np\nnp.arange(3) * 2")
    assert using.ok("%%local\nint(_.sum())").result == "6"


def test_await_shell_magics_and_errors_go_there(using: Notebook):
    assert using.ok("import asyncio\nawait asyncio.sleep(0)\nprint(os.getpid() == home)").text == "False\n"
    assert "loop" in using.ok("%timeit -n1 -r1 pass").text
    assert using.ok("%%bash\necho one").text == "one\n"
    shown = using.run("1\n1 / 0")
    assert [e["ename"] for e in shown.errors] == ["ZeroDivisionError"]
    assert "----> 2 1 / 0" in plain(shown.error)


def test_a_syntax_error_is_the_plain_one_and_starts_nothing(using: Notebook):
    shown = using.run("x = (1")
    assert shown.status == "error"
    assert "SyntaxError" in plain(shown.error)
    assert [data for data in shown.displays if "run r-" in str(data)] == []


def test_what_extensions_ask_silently_is_not_sent(using: Notebook):
    reply = using.client.execute("here_only = 1", silent=True, store_history=False, reply=True, timeout=60)
    assert reply["content"]["status"] == "ok"
    assert using.ok("%%local\nhere_only").result == "1"


def test_a_tag_of_the_cell_sends_it_and_only_it(shared_kernel: Notebook):
    shared_kernel.ok("import os\nhome = os.getpid()")
    question = "import os\nprint(os.getpid() == home)"
    sent = {"cellId": "c1", "deletedCells": [], "recordTiming": False}
    assert with_metadata(shared_kernel, question, **sent, tags=["slow", "gpu:cpu"]).text == "False\n"
    assert with_metadata(shared_kernel, question, **sent).text == "True\n"
    refused = with_metadata(shared_kernel, question, **sent, tags=["gpu:cpu:3"])
    assert (refused.status, "bad-spec" in refused.error) == ("error", True)


def test_a_tag_that_the_front_end_does_not_send_is_read_from_the_saved_notebook(
    shared_home: Installation, tmp_path: Path
):
    saved = tmp_path / "tagged.ipynb"
    cell = {"cell_type": "code", "id": "c1", "metadata": {"tags": ["gpu:cpu"]}, "source": ""}
    saved.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    environment = shared_home.environment | {"JPY_SESSION_NAME": str(saved)}
    with notebook(environment, tmp_path) as kernel:
        kernel.ok("import os\nhome = os.getpid()")
        question = "import os\nprint(os.getpid() == home)"
        assert with_metadata(kernel, question, cellId="c1").text == "False\n"
        assert with_metadata(kernel, question, cellId="c2").text == "True\n"
        kernel.ok("%gpu stop --all")


def test_vars_says_where_everything_lives(using: Notebook):
    using.ok("%%local\nmine = 1\nboth = [1]\nnewer = [1]")
    using.ok("both, newer\nbig = b'x' * 3_000_000")
    using.ok("%%local\nnewer.append(2)")
    [shown] = using.ok("%gpu vars").displays
    rows = {line.split()[0]: line for line in shown["text/plain"].splitlines()}
    assert rows["mine"].endswith(" here")
    assert rows["both"].endswith(" equal")
    assert "differs" in rows["newer"]
    assert re.search(r"bytes +2\.9 MiB +there \(s-\w+, CPU\) +until ", rows["big"])
    assert shown["text/html"].count("<tr>") == len(rows)


def test_a_named_session_gives_a_second_notebook_only_what_its_own_cells_bind(
    shared_home: Installation, shared_kernel: Notebook, tmp_path: Path
):
    shared_kernel.ok("%%gpu cpu --session ours\nz = [1]; n = 1; import colorsys")
    with notebook(shared_home.environment, tmp_path) as other:
        other.ok("z = 'mine'; go = False")
        other.ok("%%gpu cpu --session ours\nif go: z = 2")
        assert other.ok("z").result == "'mine'"
        # Bound anew to the very same objects: these are this cell's.
        other.ok("%%gpu cpu --session ours\nn = 1; import colorsys")
        assert other.ok("n, colorsys.__name__").result == "(1, 'colorsys')"
    shared_kernel.ok("%gpu stop --all")


def test_a_new_kernel_that_attaches_has_imports_and_result_too(shared_home: Installation, tmp_path: Path):
    environment = shared_home.environment | {"FARCELL_NOTEBOOK": "restarted.ipynb"}
    with notebook(environment, tmp_path) as kernel:
        kernel.ok("%%gpu cpu --detach\nimport colorsys as c, xml.etree.ElementTree\nvalue = 5\nvalue * 2")
        kernel.kill()
    with notebook(environment, tmp_path) as kernel:
        kernel.ok("%gpu attach")
        assert kernel.ok("_, value").result == "(10, 5)"
        assert kernel.ok("c.__name__, xml.etree.ElementTree.__name__").result == "('colorsys', 'xml.etree.ElementTree')"
        kernel.ok("%gpu stop --all")
