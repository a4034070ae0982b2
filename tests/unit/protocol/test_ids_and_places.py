"""Ids that may name files, and where those files lie."""

from pathlib import Path

import pytest

from farcell_protocol import ids
from farcell_protocol.places import data_directory, places


def test_a_new_id_has_the_form_that_is_checked():
    assert ids.is_id(ids.new_run_id(), "r")
    assert len({ids.new_worker_id() for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "text", ["", "r-", "r-../../../etc", "s-0123456789ab", "r-0123456789abc", "r-012345678\nab", "R-0123456789ab"]
)
def test_other_text_is_no_run_id(text: str):
    assert not ids.is_id(text, "r")


def test_the_data_directory_is_the_chosen_one_or_the_xdg_one():
    home = Path("/home/ada")
    assert data_directory({"FARCELL_DATA": "/srv/farcell"}, home) == Path("/srv/farcell")
    assert data_directory({"XDG_DATA_HOME": "/data"}, home) == Path("/data/farcell")
    assert data_directory({"XDG_DATA_HOME": "relative"}, home) == Path("/home/ada/.local/share/farcell")
    assert data_directory({}, home) == Path("/home/ada/.local/share/farcell")


def test_sockets_lie_in_the_runtime_directory_where_there_is_one():
    where = places(Path("/home/ada/x"), {"XDG_RUNTIME_DIR": "/run/user/1000"}, 1000)
    assert where.runtime.parent == Path("/run/user/1000")
    assert places(Path("/home/ada/x"), {}, 1000).runtime == Path("/home/ada/x/run")


def test_a_data_directory_with_a_long_path_still_gets_sockets():
    where = places(Path("/home/ada") / ("very" * 30) / "long", {}, 1000)
    assert where.runtime.parent == Path("/tmp")
    assert len(str(where.executor_socket).encode()) < 108
    other = places(Path("/home/ada") / ("very" * 30) / "other", {}, 1000)
    assert other.runtime != where.runtime
