"""The README's commands on a fresh copy: a path with a space in it, as root and as an ordinary user."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.fakes.waiting import eventually
from tests.system.installation import marked

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
ORDINARY = 65534  # nobody: exists everywhere, owns nothing
CHORE_DEADLINE_S = 300
# What could be different for a user who is not root: processes, namespaces, files of others; and the whole road.
OF_ANY_USER = (
    "tests/unit/agent tests/unit/keeper tests/unit/worker/test_process_tree.py tests/system/test_first_cell.py"
)


@dataclass
class Copy:
    """What is committed, without history, in the home of a user who has nothing else."""

    home: Path
    temporary: Path
    user: int | None = None
    more: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The copy itself; every path below it has spaces."""
        return self.home / "a fresh clone"

    def environment(self) -> dict[str, str]:
        """The index, proxies and certificates stay; nothing of ours does, and no virtual environment."""
        dropped = ("FARCELL_", "VIRTUAL_ENV", "PYTHON", "XDG_", "PYTEST_", "JPY_", "MAKE", "MFLAGS", "USER", "LOGNAME")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
        return kept | {"HOME": str(self.home), "TMPDIR": str(self.temporary)} | self.more

    def make(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run `make WORDS` in the copy."""
        with self.start("make", *words) as process:
            try:
                printed, _ = process.communicate(timeout=CHORE_DEADLINE_S)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return subprocess.CompletedProcess(words, process.returncode, printed)

    def made(self, *words: str) -> str:
        """Run `make WORDS`, which must succeed and leave nothing running; what it printed."""
        done = self.make(*words)
        assert done.returncode == 0, done.stdout[-6000:]
        # Moments may pass until the kernel has taken a killed process away.
        eventually(lambda: not marked(self.home), f"nothing runs after make {words}", 5)
        return done.stdout

    def start(self, *command: str) -> "subprocess.Popen[str]":
        """Start a command in the copy, as its user."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment(),
            user=self.user,
            group=self.user,
            extra_groups=[] if self.user is not None else None,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@contextmanager
def fresh_copy(user: int | None = None, **more: str) -> Iterator[Copy]:
    """A copy in a home of its own, both gone afterwards with everything that runs there.

    Not below pytest's own folder: that one is closed to other users, and too deep for the sockets of tests.
    """
    home, temporary = (Path(tempfile.mkdtemp(prefix="fc", dir=above)) for above in ("/var/tmp", "/tmp"))
    copy = Copy(home, temporary, user, more)
    try:
        copy.folder.mkdir()
        # Whose files they are matters to git, and root may well test what somebody else has checked out.
        archive = ["git", "-c", "safe.directory=*", "archive", "HEAD"]
        committed = subprocess.run(archive, cwd=ROOT, capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x", "-C", str(copy.folder)], input=committed, check=True)
        if user is not None:
            subprocess.run(["chown", "-R", f"{user}:{user}", str(home), str(temporary)], check=True)
        yield copy
    finally:
        for pid in marked(home):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(home)
        shutil.rmtree(temporary)


def assert_demonstrated(printed: str) -> None:
    """The demonstration said which worker ran each cell, and that the word came back."""
    assert printed.count("worker pid") >= 3
    assert "came back: yes" in printed
    assert "NO" not in printed.split()


def socket_folders(user: int) -> set[Path]:
    """Where sockets lie that fit nowhere else."""
    return set(Path("/tmp").glob(f"farcell-{user}-*"))


def test_the_demo_runs_twice_in_a_fresh_copy_and_leaves_nothing():
    before = socket_folders(os.getuid())
    with fresh_copy() as copy:
        assert_demonstrated(copy.made("demo"))
        assert not list(copy.temporary.iterdir())
        runtime = copy.home / "run"
        runtime.mkdir(mode=0o700)
        copy.more["XDG_RUNTIME_DIR"] = str(runtime)
        begun = time.monotonic()
        again = copy.made("demo")
        assert time.monotonic() - begun < 30  # 3 s alone; several times that beside other tests
        assert_demonstrated(again)
        assert "Installing" not in again
        assert not list(copy.temporary.iterdir())
        assert not list(runtime.glob("farcell-*"))
    assert socket_folders(os.getuid()) <= before


def python_of(user: int) -> str:
    """A Python that may be used by somebody who cannot read root's files."""
    for candidate in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        probe = [candidate, "-c", "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"]
        try:
            if subprocess.run(probe, user=user, group=user, extra_groups=[], cwd="/", stderr=-3).returncode == 0:
                return candidate
        except PermissionError:
            continue
    pytest.skip(f"needs a Python of at least 3.11 with venv that user id {user} can execute, as /usr/bin/python3")


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become an ordinary user")
def test_an_ordinary_user_gets_the_same():
    before = socket_folders(ORDINARY)
    with fresh_copy(ORDINARY, PYTHON=python_of(ORDINARY)) as copy:
        assert_demonstrated(copy.made("demo"))
        assert not list(copy.temporary.iterdir())
        copy.made("test", f"TESTS={OF_ANY_USER}")
        left = {path.name for path in copy.temporary.iterdir()}
        assert {name for name in left if not name.startswith("pytest-of-")} == set()
    assert socket_folders(ORDINARY) <= before


def test_an_unusable_python_is_one_sentence_with_the_line_to_type(tmp_path: Path):
    old = tmp_path / "an old python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    with fresh_copy(PYTHON=str(old)) as copy:
        done = copy.make("demo")
        assert done.returncode != 0
        sentence, about_make = done.stdout.splitlines()
        assert sentence.startswith("farcell needs Python 3.11 or newer with its venv module")
        assert str(old) in sentence
        assert sentence.endswith("apt-get install python3 python3-venv")
        assert about_make.startswith("make: ***")
        assert not (copy.folder / ".venv").exists()


class _Recorder(BaseHTTPRequestHandler):
    """Refuses everything, and keeps what was asked for."""

    def __init__(self, asked: list[str], *arguments: object) -> None:
        self.asked = asked
        super().__init__(*arguments)  # type: ignore[arg-type]  # the server's own three

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    def do_CONNECT(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def asked() -> Iterator[tuple[list[str], str]]:
    """What a server on the loopback was asked for, and its address."""
    paths: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Recorder, paths)) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield paths, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_users_index_and_proxy_are_asked_for_packages(asked: tuple[list[str], str]):
    paths, server = asked
    bare = {name: "" for name in os.environ if name.lower().endswith(("_proxy", "_index_url", "_find_links"))}
    with fresh_copy(**bare, PIP_CONFIG_FILE=os.devnull, PIP_RETRIES="0") as copy:
        written = copy.home / "pip.conf"
        written.write_text(f"[global]\nindex-url = {server}/written/simple\n")
        for settings, expected in (
            ({"PIP_INDEX_URL": f"{server}/simple"}, "/simple/"),
            ({"PIP_CONFIG_FILE": str(written)}, "/written/simple/"),
            ({"PIP_INDEX_URL": "https://index.invalid/simple", "HTTPS_PROXY": server}, "index.invalid:443"),
        ):
            paths.clear()
            one = replace(copy, more=copy.more | settings)
            assert one.make("demo").returncode != 0
            assert [path for path in paths if path.startswith(expected)], (settings, paths)
