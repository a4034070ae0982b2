"""The README's commands on a fresh copy: a path with a space in it, as root and as an ordinary user."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.system.installation import marked

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
ORDINARY = 65534  # nobody: exists everywhere, owns nothing
SYSTEM_PYTHON = "/usr/bin/python3"  # one that an ordinary user can execute


def fresh_copy(folder: Path) -> Path:
    """What is committed, without history, below a folder whose name has a space."""
    clone = folder / "a fresh clone"
    clone.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(clone)], input=archive, check=True)
    return clone


def environment(home: Path) -> dict[str, str]:
    """A user's environment: index and proxy settings stay, nothing of ours and no virtual environment does."""
    ours = ("FARCELL_", "VIRTUAL_ENV", "PYTHON", "XDG_", "PYTEST_", "JPY_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return kept | {"HOME": str(home), "TMPDIR": str(home / "tmp")}


def make(clone: Path, home: Path, *chores: str, user: int | None = None, **more: str) -> str:
    """Run `make CHORES`, which must succeed; what it printed."""
    (home / "tmp").mkdir(exist_ok=True)
    if user is not None:
        subprocess.run(["chown", "-R", f"{user}:{user}", str(home)], check=True)
    done = subprocess.run(
        ["make", *chores],
        cwd=clone,
        env=environment(home) | more,
        user=user,
        group=user,
        extra_groups=[] if user is not None else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def assert_demonstrated(printed: str) -> None:
    """The demonstration said which worker ran each cell, and that the word came back."""
    assert printed.count("worker pid") >= 3
    assert "came back: yes" in printed
    assert "NO" not in printed.split()


def test_the_demo_runs_twice_in_a_fresh_copy_and_leaves_nothing_running(tmp_path: Path):
    clone = fresh_copy(tmp_path)
    assert_demonstrated(make(clone, tmp_path, "demo"))
    again = make(clone, tmp_path, "demo")
    assert_demonstrated(again)
    assert "Installing" not in again
    assert not marked(tmp_path / "tmp")
    assert not list((tmp_path / "tmp").glob("farcell-*"))


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become an ordinary user")
@pytest.mark.skipif(not os.access(SYSTEM_PYTHON, os.X_OK), reason=f"needs a Python for everybody: {SYSTEM_PYTHON}")
def test_an_ordinary_user_gets_the_same_with_isolation(tmp_path_factory: pytest.TempPathFactory):
    # Not below pytest's own folder: that one is closed to other users.
    home = Path("/var/tmp") / f"farcell-ordinary-{os.getpid()}"
    clone = fresh_copy(home)
    try:
        printed = make(clone, home, "demo", user=ORDINARY, PYTHON=SYSTEM_PYTHON)
        assert_demonstrated(printed)
        make(clone, home, "test", user=ORDINARY, PYTHON=SYSTEM_PYTHON)
        assert not marked(home)
    finally:
        shutil.rmtree(home)


def test_a_python_that_is_too_old_is_named_in_one_sentence(tmp_path: Path):
    clone = fresh_copy(tmp_path)
    old = tmp_path / "bin"
    old.mkdir()
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        (old / name).write_text("#!/bin/sh\nexit 1\n")
        (old / name).chmod(0o755)
    script = (clone / "scripts" / "venv.sh").read_text().replace("/usr/bin/python3", "")
    (clone / "scripts" / "venv.sh").write_text(script)
    done = subprocess.run(
        ["make", "demo"],
        cwd=clone,
        env=environment(tmp_path) | {"PATH": f"{old}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr
    assert "apt-get install" in done.stderr
