"""The bridge: other languages, kernels that do not start, what others on the machine can see of it."""

import json
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from farcell_protocol.errors import ValuesNeedPython, WorkerNotStarted
from farcell_protocol.messages.work import Failed
from farcell_worker.kernel_process import KernelCommand, KernelProcess
from tests.unit.worker.standin import FarWorker, Zygote, value_of

_ECHO = Path(__file__).parents[2] / "fakes" / "echo_kernel.py"


@contextmanager
def a_worker(**settings: str) -> Iterator[FarWorker]:
    """One worker, of a zygote with these environment variables."""
    zygote = Zygote(env={**os.environ, **settings})
    try:
        worker = zygote.fork().greet()
        try:
            yield worker
        finally:
            worker.close()
    finally:
        zygote.close()


Install = Callable[..., dict[str, str]]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Installs a kernelspec, and returns the settings of a worker that is to use it."""

    def installed(*argv: str, language: str = "echo") -> dict[str, str]:
        folder = tmp_path / "kernels" / "mine"
        folder.mkdir(parents=True)
        spec = {"argv": argv, "display_name": "Mine", "language": language}
        (folder / "kernel.json").write_text(json.dumps(spec))
        return {"JUPYTER_PATH": str(tmp_path), "FARCELL_KERNEL": "mine"}

    return installed


def test_cells_of_another_language_run_and_their_errors_are_said(install: Install) -> None:
    with a_worker(**install(sys.executable, str(_ECHO), "-f", "{connection_file}")) as worker:
        assert worker.run("hello").text() == "hello"
        failed = worker.run("fail")
        assert failed.error == {"ename": "Failed", "evalue": "as asked", "traceback": ["Failed: as asked"]}
        assert failed.end.outcome == "error"


def test_names_cannot_travel_to_another_language_and_the_refusal_names_them(install: Install) -> None:
    with a_worker(**install(sys.executable, str(_ECHO), "-f", "{connection_file}")) as worker:
        for ran in (
            worker.run("x", values=[value_of("x", pickle.dumps(1))]),
            worker.run("x", returns=["x"]),
            worker.run("", fetch=["x"]),
        ):
            assert ran.end.reason is not None
            assert ran.end.reason.code == ValuesNeedPython.code
            assert ran.end.reason.fields == {"names": ["x"], "language": "echo"}
        assert worker.run("unharmed").text() == "unharmed"


def test_a_kernel_that_does_not_exist_fails_the_worker_with_those_that_do(tmp_path: Path) -> None:
    with a_worker(FARCELL_KERNEL="nowhere", JUPYTER_PATH=str(tmp_path)) as worker:
        assert isinstance(worker.hello, Failed)
        assert worker.hello.error.code == WorkerNotStarted.code
        assert "'nowhere'" in worker.hello.error.message
        assert "python3" in worker.hello.error.message


def test_a_kernel_that_dies_as_it_starts_fails_the_worker_with_its_last_words(install: Install) -> None:
    with a_worker(**install(sys.executable, "-c", "raise SystemExit('no licence')", "{connection_file}")) as worker:
        assert isinstance(worker.hello, Failed)
        assert worker.hello.error.code == WorkerNotStarted.code
        assert "ended with 1. no licence" in worker.hello.error.message


def test_an_ipykernel_that_was_not_tried_is_reached_over_the_bridge_and_said_so_once(tmp_path: Path) -> None:
    folder = tmp_path / "ipykernel-99.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: ipykernel\nVersion: 99.0\n")
    with a_worker(PYTHONPATH=str(tmp_path)) as worker:
        first = worker.run("__import__('os').getppid()")
        assert first.result == str(getattr(worker.hello, "pid", None))
        assert "ipykernel 99.0 has not been tried" in first.text("stderr")
        assert worker.run("1").text("stderr") == ""


def test_the_channels_are_unix_sockets_and_their_key_is_for_its_user_alone(tmp_path: Path) -> None:
    ended = threading.Event()
    look = "import os, sys; print(oct(os.stat(sys.argv[1]).st_mode & 0o777), open(sys.argv[1]).read(), flush=True)"
    process = KernelProcess(
        KernelCommand((sys.executable, "-c", look, "{connection_file}")), tmp_path, lambda _status: ended.set()
    )
    assert ended.wait(20)
    process.join_words(20)
    mode, _, text = process.last_words.partition(" ")
    assert mode == "0o600"
    connection = json.loads(text)
    assert connection["transport"] == "ipc"
    assert connection["ip"].startswith(str(tmp_path))
    assert len(connection["key"]) >= 32
