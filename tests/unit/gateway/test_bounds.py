"""The beginning and the end of a flood, with one line between; everything of what is no flood."""

import re

import pytest

from farcell.bounds import HEAD_CHARS, HEAD_DISPLAYS, TAIL_CHARS, TAIL_LINES, Bounds, Limits, limits_in, size_text
from farcell_protocol.errors import BadRequest
from farcell_protocol.frames import Message
from tests.fakes.far_client import stream

CLEAR = Message("clear_output", {"wait": True})


def display(text: str = "x") -> Message:
    return Message("display_data", {"data": {"text/plain": text}})


class Clock:
    now = 5.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


def shown(*said: Message, limits: Limits | None = None) -> list[Message]:
    bounds = Bounds("r-1", Clock(), limits)
    return [one for message in said for one in bounds.take(message)] + bounds.rest()


def text_of(messages: list[Message]) -> str:
    """Text, with a note as it stands in the end."""
    notes = {m.content["transient"]["display_id"]: m.content["data"]["text/plain"] for m in messages if is_note(m)}
    parts = []
    for message in messages:
        if message.msg_type == "stream":
            parts.append(message.content["text"])
        elif message.msg_type == "display_data" and is_note(message):
            parts.append(notes[message.content["transient"]["display_id"]])
    return "".join(parts)


def is_note(message: Message) -> bool:
    return "display_id" in message.content.get("transient", {})


def test_what_is_no_flood_is_shown_as_it_is() -> None:
    said = [stream("a" * 1000), stream("b", "stderr"), display(), CLEAR, Message("error", {})]
    assert shown(*said) == said


def test_a_hundred_thousand_lines_are_shown_whole() -> None:
    said = [stream("".join(f"line {n}\n" for n in range(at, at + 1000))) for at in range(0, 100_000, 1000)]
    assert shown(*said) == said


def test_a_flood_has_its_beginning_one_line_and_its_last_lines() -> None:
    said = [stream("".join(f"line {n:05}\n" for n in range(at, at + 100))) for at in range(0, 50_000, 100)]
    lines = text_of(shown(*said, limits=Limits(lines=1000))).splitlines()
    assert lines[:1000] == [f"line {n:05}" for n in range(1000)]
    head, tail = lines[1000].split("]")
    assert head == "[517 kB more: farcell logs r-1, or %gpu logs r-1, prints all"
    assert [tail, *lines[1001:]] == [f"line {n:05}" for n in range(50_000 - TAIL_LINES, 50_000)]


def test_the_size_of_what_is_left_out_is_exact() -> None:
    said = [stream("é" * 100_000) for _ in range(10)]
    text = text_of(shown(*said, limits=Limits(chars=100_000)))
    assert text.count("é") == 100_000 + TAIL_CHARS
    assert "[1.4 MB more" in text


def test_a_little_more_than_the_bounds_is_shown_whole() -> None:
    said = [stream("x" * 100_000), stream("y" * 99_999), stream("z")]
    assert shown(*said, limits=Limits(chars=100_000)) == said


def test_while_a_flood_goes_on_its_size_is_said_now_and_then() -> None:
    bounds, clock = Bounds("r-1", clock := Clock(), Limits(chars=1)), clock
    notes = []
    for _ in range(100):
        clock.now += 0.1
        notes += [note.msg_type for note in bounds.take(stream("x" * TAIL_CHARS)) if is_note(note)]
    assert notes == ["display_data"] + ["update_display_data"] * 4


def test_text_beside_pictures_stays_in_its_place() -> None:
    said = [stream("x" * TAIL_CHARS), stream("before"), display("picture"), stream("after"), Message("error", {})]
    assert shown(*said, limits=Limits(chars=1)) == said


def test_each_flood_before_a_picture_has_its_own_line_and_its_last_part() -> None:
    said = [stream("a"), *[stream("b" * 1000)] * 1000, display(), *[stream("c" * 1000)] * 2000, display()]
    texts = re.sub(
        r"(b{9,}|c{9,})", lambda found: f"<{found[0][0]}{len(found[0])}>", text_of(shown(*said, limits=Limits(1)))
    )
    more = "more: farcell logs r-1, or %gpu logs r-1, prints all]"
    assert texts == f"a[800 kB {more}<b200000>[1.8 MB {more}<c200000>"


def test_pictures_between_floods_without_end_do_not_add_up() -> None:
    said = [stream("x" * 10 * TAIL_CHARS), display()] * 100
    assert len(text_of(shown(stream("x"), *said, limits=Limits(1)))) < 21 * TAIL_CHARS


def test_a_large_picture_is_shown_and_ten_thousand_small_ones() -> None:
    said = [display("x" * 70_000_000), *[display()] * 10_000, stream("x")]
    assert shown(*said) == said


def test_more_displays_than_anybody_looks_at_are_counted() -> None:
    *first, note, last = shown(*[display()] * (HEAD_DISPLAYS + 30), limits=Limits())
    assert len(first) == HEAD_DISPLAYS
    assert (note.msg_type, last.msg_type) == ("display_data", "update_display_data")
    assert last.content["data"]["text/plain"].startswith("[30 displays more: ")


def test_what_is_cleared_counts_for_nothing() -> None:
    said = [CLEAR, stream("x" * 90)] * 50
    assert shown(*said, limits=Limits(chars=100)) == said


def test_a_progress_bar_of_a_week_is_shown_to_its_end() -> None:
    said = [stream(f"\r{n:6}|" + "█" * 90, "stderr") for n in range(HEAD_CHARS // 90 + 1000)]
    assert shown(*said) == said


@pytest.mark.parametrize(
    ("texts", "chars"),
    [
        (["ab\rc"], 2),
        (["ab\rc", "\rdef"], 3),
        (["ab\n", "\rcd\rx\nyz"], 3 + 2 + 1 + 2),
        (["ab", "cd\ref\rghijkl"], 6),
        (["a\r\nb\r\n"], 4),
    ],
)
def test_a_line_written_over_counts_by_its_width(texts: list[str], chars: int) -> None:
    bounds = Bounds("r-1", Clock(), Limits(chars=chars))
    for text in texts[:-1]:
        bounds.take(stream(text))
    assert not bounds.is_full
    bounds.take(stream(texts[-1]))
    assert bounds.is_full
    bounds = Bounds("r-1", Clock(), Limits(chars=chars + 1))
    for text in texts:
        bounds.take(stream(text))
    assert not bounds.is_full


def test_what_was_not_sent_is_counted_and_takes_the_text_before_it_along() -> None:
    bounds = Bounds("r-1", Clock(), Limits(chars=1))
    said = [*bounds.take(stream("a")), *bounds.take(stream("b")), *bounds.left_out(10**9), *bounds.take(stream("c"))]
    assert text_of(said + bounds.rest()) == "a[1.0 GB more: farcell logs r-1, or %gpu logs r-1, prints all]c"


def test_the_environment_may_say_how_much() -> None:
    assert limits_in({"FARCELL_SHOWN_CHARS": "5", "FARCELL_SHOWN_LINES": "7"}) == Limits(5, 7)
    assert limits_in({}) == Limits()
    with pytest.raises(BadRequest, match="FARCELL_SHOWN_LINES is 'many'"):
        limits_in({"FARCELL_SHOWN_LINES": "many"})


def test_sizes_are_said_as_people_do() -> None:
    sizes = [999, 1000, 20_500, 412_345_678, 1_000_000_000]
    assert [size_text(size) for size in sizes] == ["999 bytes", "1.0 kB", "20 kB", "412 MB", "1.0 GB"]
