"""The driver: what it stores before it acts, and what it does when storing or acting fails."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from farcell_executor.checkpoints import CHECKPOINTS, checkpoint_for
from farcell_executor.store.base import Noun
from farcell_executor.store.memory import MemoryStore
from farcell_protocol.errors import BadRequest, DiskFull, FarcellError, StoreError
from farcell_protocol.messages import api, keeping, link
from tests.fakes.far_node import FarLink, FarNode, play
from tests.unit.executor.service import MovedClock, Service, request, serving, settings_for


class FailingStore(MemoryStore):
    """Takes nothing while it is `full`, or fails in another way."""

    full = False
    failure: Exception | None = None

    async def save(self, nouns: Iterable[Noun]) -> None:
        if self.full:
            raise DiskFull("database or disk is full")
        if self.failure is not None:
            raise self.failure
        await super().save(nouns)


@pytest.fixture
def store() -> FailingStore:
    return FailingStore()


@pytest.fixture
async def service(tmp_path: Path, node: FarNode, store: FailingStore) -> AsyncIterator[Service]:
    async with serving(settings_for(tmp_path), store=store) as made:
        await made.join(node)
        yield made


async def test_everything_is_stored_before_anything_is_done(service: Service, node: FarNode, store: FailingStore):
    passed: list[str] = []
    service.executor.driver.checkpoint = passed.append
    asked = request(play("hi\n"))
    async with service.stream() as client:
        await client.say(api.Submit(asked))
        await client.until_ended(asked.run)
    once = list(dict.fromkeys(passed))
    assert once.index("after-save") < once.index("before-start-worker") < once.index("before-dispatch")
    assert once.index("after-log-append") < once.index("before-ack") < once.index("after-ack")
    assert once.index("after-log-append") < once.index("before-end-saved") < once.index("after-end-saved")
    assert set(once) == set(CHECKPOINTS), "every checkpoint is on the way of an ordinary cell"
    stored = await store.run(asked.run)
    assert stored is not None
    assert stored.state.value == "ended"


def test_an_unknown_checkpoint_is_refused_with_those_that_exist():
    with pytest.raises(BadRequest, match="before-save"):
        checkpoint_for("nowhere")


@pytest.mark.parametrize(
    ("failure", "words"), [(StoreError("store.sqlite: locked"), "locked"), (OSError(5, "I/O error"), "I/O error")]
)
async def test_a_store_that_fails_is_not_called_a_full_disk(
    service: Service, store: FailingStore, failure: Exception, words: str
):
    store.failure = failure
    await service.ask("POST", "/runs", api.RunView, request())
    with pytest.raises(StoreError, match=words):
        await service.ask("POST", "/runs", api.RunView, request())
    store.failure = None


async def test_what_the_store_refused_is_stored_later_and_no_new_run_is_taken_meanwhile(
    service: Service, node: FarNode, store: FailingStore
):
    asked = request(play(hold=True))
    await service.ask("POST", "/runs", api.RunView, asked)
    await service.until(lambda: asked.run in node.runs)
    store.full = True
    node.end(asked.run)
    async with service.stream() as client:
        await client.say(api.Follow(asked.run))
        assert (await client.until_ended(asked.run)).views[-1].outcome == "ok"
    with pytest.raises(DiskFull, match="disk is full"):
        await service.ask("POST", "/runs", api.RunView, request())
    before = await store.run(asked.run)
    assert before is not None
    assert before.state.value == "running"
    store.full = False
    service.tick()
    await service.executor.driver.settle()
    after = await store.run(asked.run)
    assert after is not None
    assert after.state.value == "ended"
    await service.ask("POST", "/runs", api.RunView, request())


async def test_an_action_that_fails_ends_its_run_with_the_reason_and_the_loop_goes_on(
    service: Service, node: FarNode, monkeypatch: pytest.MonkeyPatch
):
    sent = FarLink.send

    async def refusing(self: FarLink, message: link.ToAgent) -> None:
        if isinstance(message, keeping.Execute) and message.run == broken.run:
            raise FarcellError("this one cannot be sent")
        await sent(self, message)

    broken, fine = request(), request(play("fine\n"), session="other")
    monkeypatch.setattr(FarLink, "send", refusing)
    async with service.stream() as client:
        await client.say(api.Submit(broken))
        heard = await client.until_ended(broken.run)
        await client.say(api.Submit(fine))
        assert (await client.until_ended(fine.run)).text == "fine\n"
    assert heard.views[-1].reason is not None
    assert "cannot be sent" in heard.views[-1].reason.message


async def test_a_node_out_of_reach_for_longer_than_the_grace_is_given_up_and_its_run_is_lost(
    tmp_path: Path, node: FarNode, clock: MovedClock
):
    settings = replace(settings_for(tmp_path), node_grace_s=60.0)
    asked, waiting = request(play("kept\n", hold=True), gpu="H100:2"), request(gpu="H100:2", session="another")
    other = FarNode(("H100", "H100"), embedded=False)
    async with serving(settings, clock=clock) as service, service.stream() as client:
        await service.join(node)
        await client.say(api.Submit(asked))
        await client.until_state(asked.run, "running")
        await service.ask("POST", "/runs", api.RunView, waiting)
        node.connection.cut()
        machine = service.executor.driver.machine
        await service.until(lambda: machine.nodes[node.id].state.value == "unknown")
        clock.time += 60.0
        service.tick()
        heard = await client.until_ended(asked.run)
        assert (heard.views[-1].outcome, heard.text) == ("lost", "kept\n")
        assert heard.views[-1].reason is not None
        assert heard.views[-1].reason.code == "node-lost"
        assert heard.views[-1].reason.fields["grace_s"] == 60.0
        assert node.id not in machine.nodes
        await service.join(other)
        await client.say(api.Follow(waiting.run))
        assert (await client.until_ended(waiting.run)).views[-1].outcome == "ok"
        assert other.executions == [waiting.run]


async def test_a_time_limit_is_kept_without_anybody_asking(service: Service, node: FarNode):
    asked = request(play(hold=True), timeout_s=0.05)
    async with service.stream() as client:
        await client.say(api.Submit(asked))
        await client.until_state(asked.run, "running")
        async with asyncio.timeout(5):
            await service.executor.bulletin.until(
                lambda: service.executor.driver.machine.runs[asked.run].stop_reason is not None
            )
        await service.executor.driver.settle()
        assert node.runs[asked.run].interrupts == 1
        node.end(asked.run, "error")
        assert (await client.until_ended(asked.run)).views[-1].outcome == "timed-out"
