"""The road of a cell, end to end: a real kernel, the embedded executor, a forked worker."""

from pathlib import Path

import pytest

from tests.fakes.waiting import eventually, is_running
from tests.system.installation import Installation
from tests.system.notebooks import Notebook, plain

pytestmark = pytest.mark.xdist_group("first-cell")


def test_a_cell_prints_over_there_and_binds_here(shared_kernel: Notebook):
    shared_kernel.ok("word = 'far away'")
    shown = shared_kernel.ok("%%gpu cpu\nimport os\nprint(word, 'indeed')\npid, back = os.getpid(), word[::-1]")
    assert shown.text == "far away indeed\n"
    assert shared_kernel.ok("import os\n(back, pid == os.getpid())").result == "('yawa raf', False)"


def test_the_session_keeps_its_namespace_between_cells(shared_kernel: Notebook):
    shared_kernel.ok("%%gpu cpu\nimport threading\nlock = threading.Lock()\ncount = 1")
    shown = shared_kernel.ok("%%gpu cpu\ncount += 1\nprint(lock.locked(), count)")
    assert shown.text == "False 2\n"
    assert shared_kernel.ok("count").result == "2"


def test_the_last_expression_is_the_result(shared_kernel: Notebook):
    assert shared_kernel.ok("%%gpu cpu\n6 * 7").result == "42"


def test_an_error_is_shown_once_with_the_cells_line_and_names_bound_before_come_back(shared_kernel: Notebook):
    shown = shared_kernel.run("%%gpu cpu\nbefore = 1\n\nafter = 1 / 0")
    assert shown.status == "error"
    assert [e["ename"] for e in shown.errors] == ["ZeroDivisionError"]
    # The magic's own line is line 1, as the editor counts.
    assert "----> 4 after = 1 / 0" in plain(shown.error)
    assert shared_kernel.ok("before").result == "1"
    assert "NameError" in shared_kernel.run("after").error


def test_a_changed_local_value_travels_and_a_changed_far_value_stands(shared_kernel: Notebook):
    shared_kernel.ok("xs = [1]")
    shared_kernel.ok("%%gpu cpu\nxs.append(2)")
    assert shared_kernel.ok("xs").result == "[1, 2]"
    shared_kernel.ok("xs = ['mine']")
    assert shared_kernel.ok("%%gpu cpu\nxs").result == "['mine']"


def test_a_plot_comes_back_as_an_image(shared_kernel: Notebook):
    shown = shared_kernel.ok("%%gpu cpu\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()")
    assert any("image/png" in data for data in shown.displays)


def test_the_logs_command_prints_the_same_bytes(shared_home: Installation, shared_kernel: Notebook):
    shown = shared_kernel.ok("%%gpu cpu\nfor i in range(1000): print('line', i)")
    assert shared_home.farcell("logs", shown.run).stdout == shown.text.encode()


def test_a_cell_reads_the_notebooks_folder(shared_kernel: Notebook):
    shared_kernel.ok("from pathlib import Path; _ = Path('data.txt').write_text('beside the notebook')")
    assert shared_kernel.ok("%%gpu cpu\nprint(open('data.txt').read())").text == "beside the notebook\n"


def test_two_kernels_share_one_executor_and_stop_ends_everything(home: Installation, kernel: Notebook, tmp_path: Path):
    from tests.system.notebooks import notebook

    kernel.ok("%%gpu cpu\n1")
    executor, keeper = home.executor_pid, home.keeper_pid
    with notebook(home.environment, tmp_path) as other:
        other.ok("%%gpu cpu\n1")
        assert (home.executor_pid, home.keeper_pid) == (executor, keeper)
    assert home.farcell("stop").returncode == 0
    eventually(lambda: not is_running(executor), "the executor ended")
