"""What a session's namespace is told to hold: names, types and sizes, and nothing of the values."""

import math
from collections import Counter
from typing import Any

import numpy as np

from farcell_protocol.frames import Variable
from farcell_worker.namespace import MOST_LISTED, variables_of


def test_variables_are_listed_by_name_with_what_their_types_say() -> None:
    told = variables_of({"x": np.zeros((3, 4)), "n": 1, "counts": Counter()})
    assert told.listed == [
        Variable("counts", "collections.Counter"),
        Variable("n", "int"),
        Variable("x", "numpy.ndarray", 96, (3, 4)),
    ]
    assert told.more == 0


def test_modules_functions_classes_and_private_names_are_no_variables() -> None:
    assert variables_of({"math": math, "f": len, "Counter": Counter, "_": 1, "In": [], "get_ipython": 1}).listed == []


def test_values_that_raise_at_every_look_are_listed_all_the_same() -> None:
    class Broken:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError("do not look")

        shape = nbytes = property(lambda self: 1 / 0)

    assert [one.name for one in variables_of({"broken": Broken()}).listed] == ["broken"]


def test_of_very_many_variables_some_are_counted_only() -> None:
    told = variables_of({f"v{n:04}": n for n in range(MOST_LISTED + 7)})
    assert (len(told.listed), told.more) == (MOST_LISTED, 7)
