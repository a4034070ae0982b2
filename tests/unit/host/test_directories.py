"""Files that a process holds, and whether they are still where others look for them."""

import os
from pathlib import Path

from farcell_host.directories import is_still, remove_if_still


def test_a_file_is_still_there_until_it_is_removed_or_replaced(tmp_path: Path):
    folder = tmp_path / "data"
    folder.mkdir()
    path = folder / "lock"
    with path.open("w") as held:
        assert is_still(os.fstat(held.fileno()), path)
        held.write("written to")
        held.flush()
        assert is_still(os.fstat(held.fileno()), path)
        path.unlink()
        assert not is_still(os.fstat(held.fileno()), path)
        path.touch()
        assert not is_still(os.fstat(held.fileno()), path)
        path.unlink()
        folder.rmdir()
        folder.touch()
        assert not is_still(os.fstat(held.fileno()), path), "no folder, no file"


def test_a_disk_that_cannot_be_asked_is_not_believed_to_be_empty(tmp_path: Path):
    class Failing(type(tmp_path)):  # type: ignore[misc]  # whichever kind of path this host has
        def stat(self, **_: object) -> os.stat_result:
            raise OSError(5, "Input/output error")

    assert is_still(tmp_path.stat(), Failing(tmp_path))


def test_a_successors_file_is_not_removed(tmp_path: Path):
    path = tmp_path / "socket"
    path.touch()
    made = path.stat()
    path.unlink()
    remove_if_still(made, path)
    path.touch()  # with the same number, most likely
    remove_if_still(made, path)
    assert path.exists()
    remove_if_still(path.stat(), path)
    assert not path.exists()
