"""Who talks down to whom."""

import pytest

from farcell_protocol import version
from farcell_protocol.errors import VersionMismatch


def test_equal_versions_agree():
    assert version.agree(version.PROTOCOL, version.OLDEST, who="the executor") == version.PROTOCOL


def test_a_newer_peer_that_still_speaks_ours_talks_down():
    assert version.agree(99, version.PROTOCOL, who="the executor") == version.PROTOCOL


def test_ranges_that_do_not_meet_are_refused_with_both_and_who_should_upgrade(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(VersionMismatch, match=r"speaks protocol 99 to 99, .* upgrade this program"):
        version.agree(99, 99, who="the executor")
    monkeypatch.setattr(version, "OLDEST", 5)
    monkeypatch.setattr(version, "PROTOCOL", 7)
    with pytest.raises(VersionMismatch, match="upgrade the executor") as caught:
        version.agree(4, 2, who="the executor")
    assert caught.value.fields == {"ours": 7, "theirs": 4}
