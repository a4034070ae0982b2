"""Files that a process locks while it lives."""

import os
import threading
from pathlib import Path

import pytest

from farcell_host.locks import LockFile, facts_in, holder, is_held, wait_until_free


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def test_one_holds_it_and_others_learn_who(path: Path) -> None:
    with LockFile(path) as first, LockFile(path) as second:
        assert first.take()
        first.sign(address="unix:///there")
        assert not second.take()
        assert second.facts() == holder(path) == {"pid": os.getpid(), "address": "unix:///there"}
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_text_without_a_holder_is_believed_only_by_whoever_asks_for_what_was_left(path: Path) -> None:
    with LockFile(path) as lock:
        assert lock.take()
        lock.sign(cgroup="/there")
    assert (is_held(path), holder(path)) == (False, {})
    assert facts_in(path)["cgroup"] == "/there"
    with LockFile(path) as next_one:
        assert next_one.take()
        assert next_one.facts()["cgroup"] == "/there"
        next_one.clear()
    assert facts_in(path) == {}
    assert path.read_bytes() == b""


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b"\xff\xfe", b"4711"])
def test_a_torn_or_strange_text_says_nothing(path: Path, text: bytes) -> None:
    path.write_bytes(text)
    with LockFile(path) as lock:
        assert lock.take()
        assert (holder(path), lock.facts()) == ({}, {})


def test_where_there_is_no_file_nobody_holds_it(path: Path) -> None:
    assert (is_held(path), holder(path), facts_in(path)) == (False, {}, {})
    assert not path.exists()


def test_whoever_waits_goes_on_when_it_is_let_go_of_and_not_before(path: Path) -> None:
    lock = LockFile(path)
    assert lock.take()
    assert not wait_until_free(path, 0.03)
    letting_go = threading.Timer(0.03, lock.close)
    letting_go.start()
    assert wait_until_free(path, 20.0)
    letting_go.join()


def test_nothing_is_left_of_a_longer_text(path: Path) -> None:
    with LockFile(path) as lock:
        assert lock.take()
        lock.sign(address="long" * 100)
        lock.sign(address="short")
        assert holder(path) == {"pid": os.getpid(), "address": "short"}
        assert path.read_bytes().endswith(b'"short"}\n')


def test_a_link_in_its_place_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        LockFile(path)
    assert not (tmp_path / "elsewhere").exists()
