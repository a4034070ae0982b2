"""The pure parts: a bounded pickle, a description that cannot fail, frames that always fit."""

import pickle
import sys
import time
from collections import Counter, deque
from typing import Any

import numpy as np
import pytest
import xxhash

from farcell_protocol.frames import Message, decode_frame
from farcell_worker.describe import describe, short_repr
from farcell_worker.pickling import StaysHere, TooLarge, pickled
from farcell_worker.plain import cut_text, fitting, plain

LIMIT = 2**20


@pytest.mark.parametrize("value", [1, "x" * 1000, {"a": [1, 2, {3}]}, np.arange(1000), None, b"y" * 200_000])
def test_a_pickle_within_the_bound_is_plain_pickle_with_its_digest(value: Any) -> None:
    result = pickled(value, LIMIT)
    assert result.data == pickle.dumps(value, 5)
    assert result.size_bytes == len(result.data)
    assert result.digest == xxhash.xxh3_128_hexdigest(result.data)


@pytest.mark.parametrize(
    "value", [np.zeros(LIMIT), [np.zeros(LIMIT)], "x" * 2 * LIMIT, [b"x" * 2 * LIMIT], [*range(LIMIT)]]
)
def test_a_pickle_over_the_bound_is_given_up(value: Any) -> None:
    with pytest.raises(TooLarge, match="1,048,576"):
        pickled(value, LIMIT)


def test_a_nested_array_is_refused_before_it_is_copied() -> None:
    huge = np.lib.stride_tricks.as_strided(np.zeros(1), (2**40,), (0,))  # 8 TiB that are not there
    with pytest.raises(TooLarge):
        pickled(huge, LIMIT)
    with pytest.raises(StaysHere):
        pickled([np.empty(2**32, "u1")], LIMIT)


def test_beyond_the_keeping_bound_it_is_still_hashed() -> None:
    value = [*range(LIMIT)]
    result = pickled(value, 0, 2**30)
    assert result.data is None
    assert result.digest == xxhash.xxh3_128_hexdigest(pickle.dumps(value, 5))


class OnGpu:
    __cuda_array_interface__: Any = None


def test_what_lives_in_a_gpu_stays_there_wherever_it_is_nested() -> None:
    for value in (OnGpu(), [{"a": OnGpu()}]):
        with pytest.raises(StaysHere, match="memory of a GPU"):
            pickled(value, LIMIT)


class Slow:
    def __repr__(self) -> str:
        while True:
            pass


class Raises:
    def __repr__(self) -> str:
        raise KeyError("no")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class ManyItems(list[int]):
    pass


@pytest.mark.parametrize(
    "value",
    [
        Slow(),
        [Slow()],
        ["x" * 10_000_000] * 3,
        Raises(),
        "x" * 10_000_000,
        [1] * 1_000_000,
        {i: i for i in range(1_000_000)},
        set(range(100_000)),
        ManyItems(range(3_000_000)),
        deque(range(1_000_000)),
        Counter(range(1_000_000)),
        1 << 10_000_000,
        np.zeros((3000, 3000)),
        bytearray(10_000_000),
        "\ud800",
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_description_is_short_quick_and_never_fails(value: Any) -> None:
    began = time.monotonic()
    info = describe(value)
    assert time.monotonic() - began < 2
    assert 0 < len(info.repr) <= 200
    info.repr.encode()


def test_a_description_of_something_small_is_its_repr() -> None:
    assert short_repr([1, 2]) == "[1, 2]"
    assert short_repr("text") == "'text'"
    values: list[object] = [(1,), (), {}, set(), {1: [2]}, frozenset({1}), [[[[]]]], {"a": (1, 2)}]
    for value in values:
        assert short_repr(value) == repr(value)
    assert short_repr([*range(9)]) == "[0, 1, 2, 3, 4, 5, ...]"
    info = describe(np.zeros((2, 3), "i2"))
    assert (info.shape, info.dtype, info.size_bytes, info.device) == ((2, 3), "int16", 12, "cpu")


def test_a_repr_that_is_over_its_time_within_a_finaliser_is_stopped_without_a_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reported: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)

    class Slow:
        def __del__(self) -> None:
            # Until it is stopped in here, where that is forgotten.
            while True:
                time.monotonic()

    class Endless:
        def __repr__(self) -> str:
            Slow()
            while True:
                time.monotonic()

    assert short_repr(Endless()).endswith("Endless>")
    assert reported == []


def test_text_is_cut_without_loss() -> None:
    assert list(cut_text("", 3)) == []
    assert list(cut_text("abc", 3)) == ["abc"]
    assert list(cut_text("abcdefgh", 3)) == ["abc", "def", "gh"]


def test_content_is_made_what_json_can_say() -> None:
    assert plain({1: (b"\x89", 2**70, np.int8(3), np.float32(0.5), "\udc00é", True, None, object())}) == {
        "1": ["iQ==", float(2**70), 3, 0.5, "\\udc00é", True, None, "<object>"]
    }


def test_a_frame_that_cannot_be_encoded_is_made_plain() -> None:
    frame = decode_frame(fitting(Message("stream", {"name": "stdout", "text": "\ud800"})))
    assert frame == Message("stream", {"name": "stdout", "text": "\\ud800"})


def test_a_long_traceback_keeps_its_beginning_and_end() -> None:
    content = {"ename": "E", "evalue": "v" * 100_000, "traceback": [f"line {i}" + "x" * 30_000 for i in range(100)]}
    body = fitting(Message("error", content))
    frame = decode_frame(body)
    assert len(body) < 2**20
    assert isinstance(frame, Message)
    assert frame.content["traceback"][0].startswith("line 0")
    assert frame.content["traceback"][-1].startswith("line 99")
