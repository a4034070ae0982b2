"""A large message in pieces, and whole again at the other end."""

from farcell_protocol.frames import End, Frame, Message, Piece
from farcell_protocol.framing import pack
from farcell_protocol.pieces import Joiner, cut

IMAGE = Message("display_data", {"data": {"image/png": "x" * 1000}}, buffers=[bytes(range(256))])
PIECES = list(cut(pack(IMAGE), 300))


def joined(*frames: Frame) -> list[Frame]:
    joiner = Joiner()
    return [made for frame in frames if not isinstance(made := joiner.take(frame), Piece)]


def test_pieces_are_small_and_make_the_message_again() -> None:
    assert [len(piece.data) for piece in PIECES] == [300, 300, 300, 300, len(pack(IMAGE)) - 1200]
    assert joined(*PIECES, *PIECES) == [IMAGE, IMAGE]


def test_each_frame_keeps_its_place_and_the_message_stands_at_its_last_piece() -> None:
    joiner = Joiner()
    made = [joiner.take(frame) for frame in [*PIECES, End("ok")]]
    assert [type(frame) for frame in made] == [Piece] * (len(PIECES) - 1) + [Message, End]
    assert not any(frame.data for frame in made if isinstance(frame, Piece))


def test_a_message_whose_worker_died_over_it_is_left_out() -> None:
    assert joined(*PIECES[:3], End("lost")) == [End("lost")]


def test_a_message_looked_at_from_its_middle_is_left_out_and_the_next_one_is_not() -> None:
    assert joined(*PIECES[2:], *PIECES) == [IMAGE]


def test_a_copy_goes_on_by_itself() -> None:
    joiner = Joiner()
    for piece in PIECES[:-1]:
        joiner.take(piece)
    assert joiner.waiting == len(PIECES) - 1
    assert joiner.copy().take(PIECES[-1]) == IMAGE
    assert joiner.take(PIECES[-1]) == IMAGE
    assert joiner.waiting == 0
