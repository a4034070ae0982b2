"""The pure parts: claims, the order in which messages leave, and how long to wait."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farcell_agent.claims import Claims
from farcell_protocol.backoff import Backoff
from farcell_protocol.errors import WorkerNotStarted
from farcell_protocol.ids import DeviceId, RunId, WorkerId
from farcell_protocol.messages.keeping import (
    Ack,
    Execute,
    Frames,
    Launch,
    ProcessSpec,
    SendInterrupt,
    Stop,
    WorkerReport,
)
from farcell_protocol.outbox import Outbox

A, B = WorkerId("w-a"), WorkerId("w-b")
ONE, TWO = DeviceId("d-1"), DeviceId("d-2")
SPEC = ProcessSpec("python", "/")


def report(worker: WorkerId, state: str, *devices: DeviceId) -> WorkerReport:
    return msgspec.convert(
        {"worker": worker, "state": state, "spec": {"interpreter": "python", "cwd": "/", "devices": list(devices)}},
        WorkerReport,
    )


def test_a_claim_is_all_or_nothing_and_says_who_holds_what():
    claims = Claims()
    claims.claim(A, [TWO])
    with pytest.raises(WorkerNotStarted, match="1 of the 2 devices asked for are held: d-2 by w-a") as refused:
        claims.claim(B, [ONE, TWO])
    assert refused.value.fields == {"holders": {TWO: A}}
    assert claims.holder(ONE) is None


def test_claiming_again_changes_nothing_and_releasing_frees():
    claims = Claims()
    claims.claim(A, [ONE])
    claims.claim(A, [ONE])
    claims.release(A)
    claims.release(A)
    claims.claim(B, [ONE])
    assert claims.devices == {ONE}


def test_claims_are_derived_from_the_living_workers():
    claims = Claims()
    claims.claim(A, [TWO])
    claims.derive([report(A, "exited", TWO), report(B, "ready", ONE)])
    assert (claims.holder(ONE), claims.holder(TWO)) == (B, None)


def test_a_device_that_two_workers_name_is_free_when_both_are_gone():
    claims = Claims()
    claims.derive([report(A, "ready", ONE), report(B, "starting", ONE)])
    claims.release(A)
    assert claims.holder(ONE) == B
    claims.release(B)
    assert claims.devices == frozenset()


def test_an_interrupt_overtakes_other_workers_but_not_its_own_execute():
    outbox: Outbox[object] = Outbox()
    own, other = Execute(A, RunId("r-1"), b""), Execute(B, RunId("r-2"), b"")
    ack, interrupt = Ack(RunId("r-3"), 1), SendInterrupt(A, RunId("r-1"))
    for message in (own, ack, other, interrupt):
        outbox.push(message)
    assert [outbox.pop() for _ in range(len(outbox))] == [own, interrupt, ack, other]


@given(
    st.lists(
        st.sampled_from(
            [
                Launch(A, SPEC),
                Execute(A, RunId("r"), b"x" * 100),
                Stop(A, 1.0),
                SendInterrupt(B, RunId("r")),
                Execute(B, RunId("r"), b""),
                Ack(RunId("r"), 1),
            ]
        )
    )
)
def test_whatever_is_queued_each_worker_hears_in_order_and_the_sizes_add_up(messages: list[object]):
    outbox: Outbox[object] = Outbox()
    for message in messages:
        outbox.push(message)
    left = [outbox.pop() for _ in range(len(outbox))]
    for worker in (A, B, None):
        assert [m for m in left if getattr(m, "worker", None) == worker] == [
            m for m in messages if getattr(m, "worker", None) == worker
        ]
    assert outbox.size_bytes == 0


def test_an_outbox_is_full_by_bytes_of_output_and_payloads():
    outbox: Outbox[object] = Outbox(limit_bytes=1000)
    outbox.push(Execute(A, RunId("r"), b"x" * 100))
    assert not outbox.full
    outbox.push(Frames(RunId("r"), 1, [msgspec.Raw(b"x" * 800)]))
    assert outbox.full


def test_pauses_double_up_to_the_limit_with_jitter_and_begin_again():
    backoff = Backoff(first_s=1.0, limit_s=8.0, chance=random.Random(1).random)
    pauses = [backoff.next_delay_s() for _ in range(6)]
    for pause, whole in zip(pauses, [1, 2, 4, 8, 8, 8], strict=True):
        assert whole / 2 <= pause <= whole
    backoff.reset()
    assert backoff.next_delay_s() <= 1.0
