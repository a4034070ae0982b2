"""Bad input: each gives a clear error with its reason code, and kernel and fleet stay usable."""

import os
from pathlib import Path

import pytest

from tests.fakes.waiting import eventually
from tests.system.installation import Installation, installation
from tests.system.notebooks import Notebook, notebook

pytestmark = [pytest.mark.xdist_group("bad-input"), pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def kernel(shared_kernel: Notebook) -> Notebook:
    """The module's notebook, with eight simulated H100s and one A100."""
    shared_kernel.ok("%gpu simulate H100:8")
    shared_kernel.ok("%gpu simulate A100")
    return shared_kernel


def still_works(kernel: Notebook) -> None:
    """The next cell runs, on all eight devices: so nothing kept a claim."""
    assert kernel.ok("%%gpu H100:8 --once\nprint('works')").text == "works\n"
    assert kernel.ok("1 + 1").result == "2"


def refused(kernel: Notebook, cell: str, code: str, *words: str) -> str:
    """Run a cell that must fail with this reason code and these words; the whole error."""
    shown = kernel.run(cell)
    assert shown.status == "error"
    assert code in shown.error
    for word in words:
        assert word in shown.error
    return shown.error


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("B300", "no-device-fits", ("B300", "8", "H100", "A100", "%gpu simulate", "%gpu connect", "%%gpu cpu")),
        ("H100:9", "no-device-fits", ("9", "8")),
        ("H100:0", "bad-spec", ("1 up",)),
        ("H100:-1", "bad-spec", ("1 up",)),
        ('"H100 "', "bad-spec", ("'H100'",)),
        ("'$(touch pwned)'", "bad-spec", ()),
    ],
)
def test_an_impossible_gpu_is_refused_at_once_with_what_exists(
    kernel: Notebook, line: str, code: str, words: tuple[str, ...]
):
    refused(kernel, f"%%gpu {line}\nprint('never')", code, *words)
    still_works(kernel)


def test_an_unknown_option_is_refused_with_those_that_exist(kernel: Notebook):
    shown = kernel.run("%%gpu cpu --onec\n1")
    assert "UsageError" in shown.text
    assert "--once" in shown.text


def test_an_empty_cell_sends_nothing(kernel: Notebook, shared_home: Installation):
    before = shared_home.farcell("status").stdout
    shown = kernel.run("%%gpu H100\n  \n")
    assert "empty" in (shown.text + shown.error).lower()
    assert shared_home.farcell("status").stdout == before


def test_a_syntax_error_is_reported_locally_and_nothing_is_sent(kernel: Notebook):
    shown = kernel.run("%%gpu H100\nx = = 1")
    assert [e["ename"] for e in shown.errors] == ["SyntaxError"]
    assert not shown.displays


def test_a_name_that_does_not_exist_fails_as_it_would_here(kernel: Notebook):
    shown = kernel.run("%%gpu cpu\nnowhere + 1")
    assert [e["ename"] for e in shown.errors] == ["NameError"]
    assert "nowhere" in shown.error


def test_a_value_that_cannot_travel_is_named_by_its_path(kernel: Notebook):
    kernel.ok("import threading\nmodel = {'cfg': {'lock': threading.Lock()}}")
    refused(kernel, "%%gpu cpu\nmodel", "value-not-picklable", "model['cfg']['lock']", "lock")


@pytest.mark.parametrize(
    ("code", "reason", "words"),
    [
        ("import os\nprint('last words', flush=True)\nos._exit(3)", "worker-exited", ("3",)),
        (
            "import os, signal\nprint('last words', flush=True)\nos.kill(os.getpid(), signal.SIGSEGV)",
            "worker-killed",
            ("SIGSEGV",),
        ),
        ("import ctypes\nprint('last words', flush=True)\nctypes.string_at(0)", "worker-killed", ("SIGSEGV",)),
        (
            "import os, signal\nprint('last words', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)",
            "worker-killed",
            ("SIGKILL",),
        ),
    ],
)
def test_a_worker_that_dies_says_how_after_its_last_words(
    kernel: Notebook, code: str, reason: str, words: tuple[str, ...]
):
    shown = kernel.run(f"%%gpu H100:8\n{code}")
    assert shown.status == "error"
    assert shown.text == "last words\n"
    assert reason in shown.error
    for word in words:
        assert word in shown.error
    still_works(kernel)


def test_leaving_by_sys_exit_ends_the_cell_and_keeps_the_session(kernel: Notebook):
    kernel.ok("%%gpu cpu\nkept = 'still here'")
    assert kernel.run("%%gpu cpu\nimport sys\nsys.exit(3)").status == "error"
    assert kernel.ok("%%gpu cpu\nprint(kept)").text == "still here\n"


def test_the_stop_button_interrupts_the_far_code_and_keeps_the_session(kernel: Notebook):
    kernel.ok("%%gpu cpu\nkept = 'still here'")
    request = kernel.send("%%gpu cpu\nprint('begun')\nwhile True: pass")
    shown = kernel.finish(request, until=lambda shown: shown.text == "begun\n")
    kernel.interrupt()
    shown = kernel.finish(request, shown=shown, timeout_s=10)
    assert shown.status == "error"
    assert "Interrupt" in shown.error
    assert kernel.ok("%%gpu cpu\nprint(kept)").text == "still here\n"


def test_code_that_ignores_every_polite_signal_is_stopped_by_the_second_press(kernel: Notebook):
    request = kernel.send(
        "%%gpu H100:8\nimport signal, time\n"
        "for s in (signal.SIGINT, signal.SIGTERM): signal.signal(s, signal.SIG_IGN)\n"
        "print('deaf')\nwhile True: time.sleep(1)"
    )
    shown = kernel.finish(request, until=lambda shown: shown.text == "deaf\n")
    kernel.interrupt()
    kernel.finish(request, shown=shown, until=lambda shown: "again" in str(shown.displays) + shown.text)
    kernel.interrupt()
    shown = kernel.finish(request, shown=shown, timeout_s=20)
    assert shown.status == "error"
    still_works(kernel)


def test_a_time_limit_ends_deaf_code_and_names_itself(kernel: Notebook):
    refused(
        kernel,
        "%%gpu H100:8 --timeout 1\nimport signal, time\n"
        "for s in (signal.SIGINT, signal.SIGTERM): signal.signal(s, signal.SIG_IGN)\nwhile True: time.sleep(1)",
        "timed-out",
        "1",
    )
    still_works(kernel)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root: a cgroup with a memory limit has to be made")
def test_running_out_of_memory_is_told_from_a_kill(tmp_path: Path):
    limit = 300 * 2**20
    with (
        installation(tmp_path / "data", FARCELL_WORKER_MEMORY=str(limit)) as home,
        notebook(home.environment, tmp_path) as kernel,
    ):
        refused(
            kernel,
            "%%gpu cpu\nx = bytearray(2_000_000_000)\nfor i in range(0, len(x), 4096): x[i] = 1",
            "out-of-memory",
        )
        assert kernel.ok("%%gpu cpu\nprint('works')").text == "works\n"


def test_a_wrong_token_is_refused_by_name(shared_home: Installation, tmp_path: Path):
    shared_home.start("up", "--port", "0", "--data", str(tmp_path / "other"))
    other = tmp_path / "other" / "executor.lock"
    eventually(lambda: other.exists() and "http" in other.read_text(), "the second executor listens")
    import json

    url = json.loads(other.read_text())["address"]
    wrong = shared_home.environment | {"FARCELL_URL": url, "FARCELL_TOKEN": "t-000000000000.wrong"}
    with notebook(wrong, tmp_path) as kernel:
        refused(kernel, "%%gpu cpu\n1", "unauthorized")
        assert kernel.ok("1 + 1").result == "2"


def test_an_executor_that_is_not_there_says_what_to_type(shared_home: Installation, tmp_path: Path):
    nobody = shared_home.environment | {"FARCELL_URL": "http://127.0.0.1:9", "FARCELL_TOKEN": "t-000000000000.x"}
    with notebook(nobody, tmp_path) as kernel:
        refused(kernel, "%%gpu cpu\n1", "executor-unreachable", "127.0.0.1:9", "farcell up")
