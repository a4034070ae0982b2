"""Listening where only we can be reached."""

import os
import socket
from pathlib import Path

import pytest

from farcell_host.sockets import listen_unix


def test_a_socket_is_ours_alone_and_replaces_one_that_was_left(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    path.touch()
    mask = os.umask(0o022)
    try:
        with listen_unix(path, 4), socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(path))
            assert path.stat().st_mode & 0o777 == 0o600
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(mask)


def test_a_path_that_cannot_be_listened_at_is_an_error_and_leaves_the_mask(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        with pytest.raises(OSError, match="too long"):
            listen_unix(tmp_path / ("x" * 120), 4)
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(mask)
