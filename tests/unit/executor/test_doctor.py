"""What `farcell doctor` finds."""

from importlib.metadata import PackageNotFoundError

import pytest

from farcell_executor import doctor
from tests.unit.executor.home import Home


@pytest.mark.parametrize(
    ("installed", "verdict", "says"),
    [
        ("6.29.5", "ok", "6.29.5"),
        ("6.30.1", "warn", "ipykernel 6.30.1 has not been tried here, only 6.29.x and"),
        (None, "fail", "pip install ipykernel"),
    ],
)
def test_an_ipykernel_that_was_tried_is_fine_another_is_slower_and_none_is_too_little(
    home: Home, monkeypatch: pytest.MonkeyPatch, installed: str | None, verdict: str, says: str
):
    def version(name: str) -> str:
        if installed is None:
            raise PackageNotFoundError(name)
        return installed

    monkeypatch.setattr(doctor, "version", version)
    [found] = [finding for finding in doctor.examine(home.where) if finding.subject == "ipykernel"]
    assert found.verdict == verdict
    assert says in found.text
