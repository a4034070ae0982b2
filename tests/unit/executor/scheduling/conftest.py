"""The fleet that most rules are tried on."""

import pytest

from tests.unit.executor.scheduling.fleet import Fleet


@pytest.fixture
def fleet() -> Fleet:
    """An embedded node without GPUs is connected."""
    fleet = Fleet()
    fleet.join()
    return fleet
