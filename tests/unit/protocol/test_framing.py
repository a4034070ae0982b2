"""Bytes to messages and back, in whatever pieces they arrive."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farcell_protocol import framing
from farcell_protocol.errors import FramingError, MessageTooLarge
from farcell_protocol.frames import decode_frame

bodies = st.lists(st.binary(max_size=200), max_size=20)


class Word(msgspec.Struct, frozen=True, tag="word"):
    text: str


@given(bodies, st.lists(st.integers(1, 50), min_size=1))
def test_records_come_out_whole_however_the_stream_is_cut(parts: list[bytes], sizes: list[int]):
    stream = b"".join(framing.record(part) for part in parts)
    reader = framing.RecordReader()
    received: list[bytes] = []
    position = turn = 0
    while position < len(stream):
        size = sizes[turn % len(sizes)]
        received += reader.receive_bytes(stream[position : position + size])
        position, turn = position + size, turn + 1
    assert received == parts
    assert reader.pending_bytes == 0


@given(bodies, st.integers(0, 300))
def test_a_torn_tail_is_left_out_of_whole_records(parts: list[bytes], cut: int):
    data = b"".join(framing.record(part) for part in parts)
    torn = data[: max(0, len(data) - cut)]
    whole = [torn[start:end] for start, end in framing.whole_records(torn)]
    assert whole == parts[: len(whole)]
    rest = len(torn) - sum(len(part) + framing.PREFIX_BYTES for part in whole)
    missing = parts[len(whole)] if len(whole) < len(parts) else b""
    assert rest < len(missing) + framing.PREFIX_BYTES or not rest


def test_a_length_over_the_limit_is_an_error_and_not_an_allocation():
    reader = framing.RecordReader(max_record_bytes=10)
    with pytest.raises(FramingError, match="claims 11 bytes, over the limit of 10"):
        list(reader.receive_bytes(framing.record(b"x" * 11)))


def test_records_before_a_bad_length_still_come_out():
    reader = framing.RecordReader(max_record_bytes=10)
    received: list[bytes] = []
    with pytest.raises(FramingError):
        received.extend(reader.receive_bytes(framing.record(b"good") + b"\xff\xff\xff\xff"))
    assert received == [b"good"]


def test_a_message_over_the_limit_is_refused_by_its_sender(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(framing, "MAX_RECORD_BYTES", 100)
    with pytest.raises(MessageTooLarge, match="over the limit of 100"):
        framing.encode(Word("x" * 200))
    buffer = bytearray(b"before")
    with pytest.raises(MessageTooLarge):
        framing.encode_into(Word("x" * 200), buffer)
    assert buffer == b"before"


def test_a_payload_leaves_room_for_its_message_and_is_refused_with_the_limit_that_holds_for_it():
    framing.check_payload(framing.MAX_PAYLOAD_BYTES, "the cell is")
    with pytest.raises(MessageTooLarge, match=r"^the cell is 67,043,329 bytes, over the limit of 67,043,328$"):
        framing.check_payload(framing.MAX_PAYLOAD_BYTES + 1, "the cell is")


def test_encoding_into_a_buffer_gives_the_same_bytes():
    buffer = bytearray(b"before")
    framing.encode_into(Word("hello"), buffer)
    assert buffer == b"before" + framing.encode(Word("hello"))


def test_what_is_nested_too_deep_is_no_message_rather_than_a_fault():
    deep = b"\x81\xa1a" * 100_000
    with pytest.raises(FramingError, match="from the client"):
        framing.unpack(deep, msgspec.msgpack.Decoder(), who="the client")
    with pytest.raises(msgspec.DecodeError):
        decode_frame(b"\x83\xa4type\xa7message\xa8msg_type\xa6stream\xa7content" + deep)


def test_a_wrong_message_names_who_sent_it():
    decoder = msgspec.msgpack.Decoder(Word)
    with pytest.raises(FramingError, match="cannot read a message of 1 bytes from the keeper"):
        framing.unpack(b"\x01", decoder, who="the keeper")
    assert framing.unpack(framing.pack(Word("a")), decoder, who="the keeper") == Word("a")
