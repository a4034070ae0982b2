"""What is overwritten is sent about ten times a second, and looks in the end as all of it would have."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farcell_protocol.frames import End, Message
from farcell_worker.coalescing import coalesced, collapse, is_overwriting
from farcell_worker.routes import Aside, Item
from farcell_worker.waiting import AT_ONCE, FLUSH_CHARS, OVERWRITES_EVERY_S, Waiting

CODE = re.compile(r"\x1b\[([0-9;]*)([mKA])|.|\n", re.DOTALL)


def screen_after(text: str, *, erases: bool, wide: int = 1) -> list[list[tuple[str, str]]]:
    """The rows of a terminal after this text, each cell with its colour; a notebook is one that erases nothing."""
    rows: list[list[tuple[str, str]]] = [[]]
    row, column, colour = 0, 0, ""
    for found in CODE.finditer(text):
        kind, character = found[2], found[0]
        if kind == "m":
            colour = "" if found[1] in ("", "0") else colour + character
        elif kind == "A":
            row = max(0, row - 1)
        elif kind == "K":
            if erases:
                rows[row] = rows[row][:column] if found[1] != "2" else [(" ", "")] * min(column, len(rows[row]))
        elif character == "\n":
            row, column = row + 1, 0
            rows += [[]] * (row + 1 - len(rows))
        elif character == "\r":
            column = 0
        else:
            width = wide if character == "漢" else 1
            cells = rows[row] + [(" ", "")] * (column - len(rows[row]))
            rows[row] = [*cells[:column], *[(character, colour)] * width, *cells[column + width :]]
            column += width
    return rows


pieces = st.sampled_from(
    [
        "\r",
        "\r",
        "\n",
        "a",
        "bcd",
        "efghij",
        "█▊",
        "漢",
        "\x1b[31m",
        "\x1b[1m",
        "\x1b[0m",
        "\x1b[K",
        "\x1b[2K",
        "\x1b[A",
    ]
)


@given(st.lists(pieces, max_size=30).map("".join), st.booleans(), st.sampled_from([1, 2]))
def test_the_last_state_is_exact(text: str, erases: bool, wide: int) -> None:
    before = "what was there"
    kept = collapse(text)
    assert len(kept) <= len(text)
    assert _plainly(before + kept, erases, wide) == _plainly(before + text, erases, wide)


def _plainly(text: str, erases: bool, wide: int) -> list[list[tuple[str, str]]]:
    # A repeated colour is the same colour.
    rows = screen_after(text, erases=erases, wide=wide)
    return [[(character, _last_of_each(colour)) for character, colour in row] for row in rows]


def _last_of_each(colour: str) -> str:
    codes = [found[0] for found in CODE.finditer(colour)]
    return "".join(reversed(dict.fromkeys(reversed(codes))))


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("".join(f"\r{n}%" for n in range(10, 60)), "\r59%"),
        ("a longer one\rshort\rmid", "a longer one\rshort\rmid"),
        ("\ra longer one\rshort\rlonger", "\ra longer one\rlonger"),
        ("one\r\ntwo\r\nthree\r\n", "one\r\ntwo\r\nthree\r\n"),
        ("\r1\r2\rfirst\nprinted\n\r3\r4\rsecond", "\rfirst\nprinted\n\rsecond"),
        ("1\r2\r3\r", "1\r3\r"),
        ("\r\x1b[32m1\x1b[0m\r\x1b[32m2\x1b[0m", "\r\x1b[0m\x1b[32m2\x1b[0m"),
        ("\r\x1b[K1\r\x1b[K2", "\r\x1b[K2"),
        ("\rup\x1b[A\rx\ry", "\rup\x1b[A\ry"),
        ("no return\n" * 3, "no return\n" * 3),
    ],
)
def test_parts_that_later_ones_cover_are_left_out(said: str, kept: str) -> None:
    assert collapse(said) == kept


def test_a_line_is_being_overwritten_until_it_ends() -> None:
    texts = ["\r1", "1\r", "x\n\r1", "\r1\n", "1\r\n", "1"]
    assert [is_overwriting(text) for text in texts] == [True, True, True, False, False, False]


def shows(text: str) -> Message:
    return Message("display_data", {"data": {"text/plain": text}, "transient": {}})


def updates(display: str, text: str) -> Message:
    return Message("update_display_data", {"data": {"text/plain": text}, "transient": {"display_id": display}})


CLEAR = Message("clear_output", {"wait": True})
OUT = ("stdout", "a", None)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ([("stdout", f"\r{n}", None) for n in range(10, 60)], [("stdout", "\r59", None)]),
        ([("stdout", "\r1", None), ("stdout", "\r2", None)], [("stdout", "\r1\r2", None)]),
        ([CLEAR, shows("1"), CLEAR, shows("2"), CLEAR, shows("3")], [CLEAR, shows("3")]),
        ([CLEAR, OUT, OUT, CLEAR, OUT], [CLEAR, OUT]),
        ([shows("0"), CLEAR, shows("1"), CLEAR], [shows("0"), CLEAR, shows("1"), CLEAR]),
        ([CLEAR, CLEAR, shows("1")], [CLEAR, shows("1")]),
        ([CLEAR, updates("d", "1"), shows("1"), CLEAR, shows("2")], [updates("d", "1"), CLEAR, shows("2")]),
        ([updates("d", "1"), updates("e", "1"), updates("d", "2")], [updates("e", "1"), updates("d", "2")]),
        ([updates("d", "1"), Message("comm_msg", {}), updates("d", "2")], "all"),
        ([CLEAR, shows("1"), Aside(CLEAR), shows("2"), End("ok")], "all"),
        ([OUT, OUT, ("stderr", "b", None), OUT], [("stdout", "aa", None), ("stderr", "b", None), OUT]),
        ([OUT, ("stdout", "a", "m-1"), OUT], "all"),
    ],
)
def test_displays_that_are_cleared_or_updated_before_they_are_sent_are_left_out(said: list[Item], kept: Any) -> None:
    assert coalesced(said) == (said if kept == "all" else kept)


class Clock:
    now = 5.0

    def __call__(self) -> float:
        return self.now


def sent_over(seconds: float, every_s: float, say: Callable[[Waiting, int], None]) -> list[list[Item]]:
    """What is sent of things said so often, each with a flush, by an outbox that looks at the clock."""
    clock = Clock()
    waiting = Waiting(clock)
    sent: list[list[Item]] = []
    for n in range(round(seconds / every_s)):
        clock.now += every_s
        say(waiting, n)
        if not waiting.turn_in_s():
            sent.append(list(waiting.take()))
            for item in sent[-1]:
                waiting.sending(item)
    clock.now += waiting.turn_in_s()
    assert not waiting.turn_in_s()
    return [*sent, list(waiting.take())]


def prints_progress(waiting: Waiting, n: int) -> None:
    for text in ("\r", "step" + "." * 100, " ", str(n)):
        waiting.add(("stderr", text, None))


def animates(waiting: Waiting, n: int) -> None:
    waiting.add(CLEAR)
    waiting.add(shows(str(n)))


@pytest.mark.parametrize(
    ("say", "last"),
    [
        (prints_progress, ("stderr", "\rstep" + "." * 100 + " 9999", None)),
        (animates, shows("9999")),
        (lambda waiting, n: waiting.add(updates("d", str(n))), updates("d", "9999")),
    ],
)
def test_what_is_overwritten_ten_thousand_times_a_second_is_sent_ten_times_with_its_last_state(
    say: Callable[[Waiting, int], None], last: Item
) -> None:
    sent = sent_over(1.0, 0.0001, say)
    assert AT_ONCE + 9 <= len(sent) <= AT_ONCE + 12
    assert sent[-1][-1] == last
    assert all(len(items) <= 2 for items in sent)


def test_what_is_overwritten_now_and_then_is_sent_at_once() -> None:
    assert len(sent_over(1.0, 2 * OVERWRITES_EVERY_S, prints_progress)) == 5 + 1


def test_the_first_few_are_sent_at_once() -> None:
    sent = sent_over(AT_ONCE * 0.001, 0.001, prints_progress)
    assert [item[1] for items in sent[:-1] for item in items if isinstance(item, tuple)] == [
        f"\rstep{'.' * 100} {n}" for n in range(AT_ONCE)
    ]


def test_lines_are_sent_at_once_also_beside_progress() -> None:
    def say(waiting: Waiting, n: int) -> None:
        prints_progress(waiting, n)
        waiting.add(("stdout", f"{n}\n", None))

    assert len(sent_over(0.1, 0.001, say)) == 100 + 1


def test_a_flood_of_progress_without_a_flush_stays_small() -> None:
    clock = Clock()
    waiting = Waiting(clock)
    for _ in range(AT_ONCE):
        waiting.sending(("stdout", "\r", None))
    for n in range(10):
        waiting.add(("stdout", f"\r{n}" * FLUSH_CHARS, None))
        assert waiting.turn_in_s() == pytest.approx(OVERWRITES_EVERY_S)
        assert waiting.chars < 10
    assert list(waiting.take()) == [("stdout", "\r9", None)]
