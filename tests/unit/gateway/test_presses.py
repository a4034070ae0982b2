"""Presses of the stop button are counted, and none falls between two who count."""

import signal

import pytest

from farcell.presses import Presses


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def test_a_press_is_counted_and_raises_only_afterwards() -> None:
    with Presses() as presses:
        press()
        press()
    assert presses.count == 2
    with pytest.raises(KeyboardInterrupt):
        press()


def test_presses_before_within_and_after_an_inner_context_are_all_known() -> None:
    with Presses() as outer:
        press()
        with Presses() as inner:
            assert inner.count == 1
            press()
        press()
        with Presses() as next_one:
            assert next_one.count == 3
    assert outer.count == 3
