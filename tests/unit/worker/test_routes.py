"""Which run a thing said goes to, and which messages a worker obeys, without a worker."""

import socket
from collections.abc import Iterator

import pytest

from farcell_protocol import framing
from farcell_protocol.frames import End, Frame, Heard, Message, decode_frame
from farcell_protocol.ids import RunId, TellId
from farcell_protocol.messages.cells import InputReply, Told, encode_told
from farcell_protocol.messages.work import FromWorker, Tell, Work
from farcell_worker.inlet import Inlet
from farcell_worker.interrupts import Interrupts
from farcell_worker.outbox import Outbox
from farcell_worker.routes import Aside, Item, Of, OpenRun, Routes, answered, as_answer, size_of
from tests.unit.worker.standin import Records

CELL, COMMS = OpenRun(RunId("cell")), OpenRun(RunId("comms"))
PLAIN = Message("display_data", {})


def routes(cell: OpenRun | None, comms: OpenRun | None) -> Routes:
    made = Routes()
    made.cell, made.comms = cell, comms
    return made


@pytest.mark.parametrize(
    ("item", "both", "cell_only", "comms_only"),
    [
        (PLAIN, CELL, CELL, COMMS),
        (("stdout", "x", None), CELL, CELL, COMMS),
        (("stdout", "x", "m1"), COMMS, CELL, COMMS),
        (Aside(PLAIN), COMMS, CELL, COMMS),
        (Of(RunId("cell"), PLAIN), CELL, CELL, None),
        (Of(RunId("comms"), PLAIN), COMMS, None, COMMS),
        (Of(RunId("another"), PLAIN), None, None, None),
    ],
)
def test_a_handler_speaks_in_the_comms_and_all_else_in_the_cell_as_far_as_they_are_open(
    item: Item, both: OpenRun | None, cell_only: OpenRun | None, comms_only: OpenRun | None
) -> None:
    assert routes(CELL, COMMS).of(item) is both
    assert routes(CELL, None).of(item) is cell_only
    assert routes(None, COMMS).of(item) is comms_only


def test_what_a_handler_says_names_its_message() -> None:
    assert as_answer(PLAIN) is PLAIN
    token = answered.set("m1")
    try:
        assert as_answer(PLAIN) == Aside(Message("display_data", {}, parent="m1"))
    finally:
        answered.reset(token)


def test_only_what_comms_say_counts_for_nothing_among_what_may_be_dropped() -> None:
    assert size_of(("stdout", "four", None)) == 4
    assert size_of(PLAIN) > 0
    assert size_of(Message("comm_msg", {})) == size_of(Aside(Message("comm_open", {}))) == 0


class Ends:
    """An inlet and an outbox on one end of a socket, and a keeper's other end."""

    def __init__(self, **options: int) -> None:
        self.keeper, self.worker = socket.socketpair()
        self.outbox = Outbox(Interrupts())
        self.inlet = Inlet(self.outbox, Interrupts(), **options)
        self.works: list[Work] = []
        self.told: list[Told] = []
        self.outbox.connect(self.worker)
        self.inlet.connect(self.worker, self.works.append, lambda _run, told: self.told.append(told))

    def say(self, *messages: Work | Tell) -> None:
        self.keeper.sendall(b"".join(map(framing.encode, messages)))
        self.inlet.receive()

    def frames(self, count: int) -> list[Frame]:
        records = Records(self.keeper, FromWorker)
        return [decode_frame(records.next().frame) for _ in range(count)]


@pytest.fixture
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    made = Ends(**getattr(request, "param", {}))
    yield made
    made.keeper.close()


def told(n: int, run: str = "comms") -> Tell:
    return Tell(RunId(run), TellId(f"m{n}"), encode_told(InputReply(n, "")))


def test_messages_that_come_together_are_heard_together_and_obeyed_in_order(ends: Ends) -> None:
    ends.say(Work(RunId("comms"), b"", aside=True), told(1), told(2), told(1), Work(RunId("next"), b""))
    assert ends.frames(1) == [Heard([TellId("m1"), TellId("m2"), TellId("m1")])]
    assert ends.told == [InputReply(1, ""), InputReply(2, "")]
    assert [work.run for work in ends.works] == ["next"]


def test_what_is_told_to_a_run_that_is_not_open_may_be_told_again_to_another(ends: Ends) -> None:
    ends.say(told(1, "ended"))
    assert ends.told == []
    ends.say(Work(RunId("comms"), b"", aside=True), told(1))
    assert ends.told == [InputReply(1, "")]


@pytest.mark.parametrize("ends", [{"remembered": 3}], indirect=True)
def test_only_the_latest_ids_are_remembered(ends: Ends) -> None:
    ends.say(Work(RunId("comms"), b"", aside=True), *map(told, range(5)), told(4), told(0))
    assert [reply.request for reply in ends.told if isinstance(reply, InputReply)] == [0, 1, 2, 3, 4, 0]


def test_a_cells_end_closes_it_for_what_was_meant_for_it_alone(ends: Ends) -> None:
    ends.outbox.begin(RunId("cell"))
    ends.outbox.end(End("ok"))
    ends.outbox.post_in(RunId("cell"), Heard([]))
    ends.outbox.post(PLAIN)
    ends.outbox.begin(RunId("next"))
    assert ends.outbox.cell_run == "next"
    assert ends.outbox.post_numbered(PLAIN) == 2
