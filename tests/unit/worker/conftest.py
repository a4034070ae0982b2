"""Fixtures only."""

from collections.abc import Iterator

import pytest

from tests.unit.worker.standin import FarWorker, Zygote


@pytest.fixture(scope="package")
def zygote() -> Iterator[Zygote]:
    made = Zygote()
    yield made
    made.close()


@pytest.fixture
def worker(zygote: Zygote) -> Iterator[FarWorker]:
    made = zygote.fork().greet()
    yield made
    made.close()
