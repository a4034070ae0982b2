"""Which transport a worker takes."""

import pytest

from farcell_protocol.ipykernels import TRIED
from farcell_worker.choice import Choice, choose, transport_for


@pytest.mark.parametrize("release", [*TRIED.values(), "6.29.0", "7.4.99"])
def test_releases_of_a_tried_series_take_the_fast_path(release: str) -> None:
    assert transport_for(release) == "fast"


@pytest.mark.parametrize(
    "release", ["6.28.0", "6.30.1", "7.0.1", "7.40.0", "8.0.0", "7.4.0b1", "7.4.0.dev0", "7", "?", ""]
)
def test_all_others_take_the_bridge(release: str) -> None:
    assert transport_for(release) == "bridge"


def test_each_tried_release_is_one_of_its_series() -> None:
    assert {series: ".".join(release.split(".")[:2]) for series, release in TRIED.items()} == {s: s for s in TRIED}


def test_an_untried_release_is_spoken_of_and_a_tried_one_is_not() -> None:
    untried = choose("8.1.0", {})
    assert untried.transport == "bridge"
    assert "ipykernel 8.1.0 has not been tried" in untried.note
    assert choose("7.4.0", {}) == Choice("fast")


def test_a_setting_forces_either_and_a_kernelspec_the_bridge_without_a_word() -> None:
    assert choose("8.1.0", {"FARCELL_TRANSPORT": "fast"}) == Choice("fast")
    assert choose("7.4.0", {"FARCELL_TRANSPORT": "bridge"}) == Choice("bridge")
    assert choose("7.4.0", {"FARCELL_TRANSPORT": "nonsense"}) == Choice("fast")
    assert choose("7.4.0", {"FARCELL_KERNEL": "ir", "FARCELL_TRANSPORT": "fast"}) == Choice("bridge", kernel="ir")
