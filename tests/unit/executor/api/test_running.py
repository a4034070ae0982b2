"""A run's way through the API: submitted, followed, interrupted, cancelled, printed again."""

from pathlib import Path

import pytest

from farcell_executor.model import RunState
from farcell_executor.scheduling.events import NodeConnected
from farcell_protocol.errors import (
    BadSpec,
    FarcellError,
    Forbidden,
    MessageTooLarge,
    NoDeviceFits,
    NotFound,
    SessionEnded,
)
from farcell_protocol.frames import End
from farcell_protocol.ids import new_run_id
from farcell_protocol.messages import api
from tests.fakes.far_node import FarNode, play
from tests.unit.executor.scheduling.fleet import a_node
from tests.unit.executor.service import MovedClock, Service, request, serving, settings_for


async def test_a_submitted_run_is_followed_from_its_first_frame_to_its_end(service: Service):
    async with service.stream() as client:
        asked = request(play("one\n", "two\n"))
        await client.say(api.Submit(asked))
        heard = await client.until_ended(asked.run)
    assert heard.text == "one\ntwo\n"
    assert heard.numbers == [1, 2, 3]
    assert heard.frames[-1] == End("ok")
    assert heard.views[-1].outcome == "ok"
    assert heard.views[-1].worker is not None
    assert heard.views[-1].worker.node_name == "far"


async def test_ended_is_said_after_the_last_frame_only(service: Service):
    async with service.stream() as client:
        asked = request(play(count=2000, size_bytes=1000))
        await client.say(api.Submit(asked))
        seen = 0
        while True:
            message = await client.hear()
            if isinstance(message, api.RunFrames):
                seen += len(message.frames)
            elif isinstance(message, api.RunChanged) and message.view.state == "ended":
                break
    assert seen == 2001


async def test_a_run_that_comes_while_the_first_nodes_hello_is_still_in_line_is_not_refused(tmp_path: Path):
    async with serving(settings_for(tmp_path)) as service:
        executor, admin = service.executor, await service.executor.tokens.check(service.token)
        executor.driver.post(NodeConnected(a_node(), (), ()))
        executor.agents.connected.set()
        run = await executor.runs.submit(admin, request())
    assert run.state is not RunState.ENDED


async def test_the_same_request_twice_is_one_run(service: Service, node: FarNode):
    asked = request(play("once\n"))
    first = await service.ask("POST", "/runs", api.RunView, asked)
    async with service.stream() as client:
        await client.say(api.Submit(asked))
        heard = await client.until_ended(asked.run)
    again = await service.ask("POST", "/runs", api.RunView, asked)
    assert (first.run, again.state, heard.text) == (asked.run, "ended", "once\n")
    assert node.executions == [asked.run]


async def test_a_follower_gets_what_comes_after_the_number_it_has(service: Service):
    asked = request(play(count=50))
    await service.ask("POST", "/runs", api.RunView, asked)
    async with service.stream() as client:
        await client.say(api.Follow(asked.run, after=47))
        heard = await client.until_ended(asked.run)
    assert heard.numbers == [48, 49, 50, 51]
    assert heard.text == "48 \n49 \n50 \n"


async def test_two_clients_follow_one_run_and_one_follows_two(service: Service, node: FarNode):
    one, two = request(play(hold=True)), request(play("two\n"), session="other")
    async with service.stream() as first, service.stream() as second:
        await first.say(api.Submit(one))
        await first.until_state(one.run, "running")
        await second.say(api.Follow(one.run))
        await second.say(api.Submit(two))
        assert (await second.until_ended(two.run)).text == "two\n"
        node.add_output(one.run, "late\n")
        node.end(one.run)
        assert (await first.until_ended(one.run)).text == "late\n"
        await second.say(api.Follow(one.run))
        assert (await second.until_ended(one.run)).text == "late\n"


async def test_who_unfollows_hears_no_more_and_the_run_goes_on(service: Service, node: FarNode):
    asked = request(play(hold=True))
    async with service.stream() as client:
        await client.say(api.Submit(asked))
        await client.until_state(asked.run, "running")
        await client.say(api.Unfollow(asked.run))
        await client.say(api.Unfollow(new_run_id()))
        await client.say(api.Interrupt(asked.run))
        other = request(play("heard\n"), session="other")
        await client.say(api.Submit(other))
        await client.until_state(other.run, "running")
        assert node.runs[asked.run].interrupts == 1
        node.add_output(asked.run, "unheard\n")
        node.end(asked.run)
        assert (await client.until_ended(other.run)).text == "heard\n"
    assert await service.output(asked.run) == b"unheard\n"


async def test_a_cancelled_run_is_interrupted_then_ended_by_force(service: Service, node: FarNode, clock: MovedClock):
    asked = request(play(hold=True))
    async with service.stream() as client:
        await client.say(api.Submit(asked))
        await client.until_state(asked.run, "running")
        await client.say(api.Cancel(asked.run, grace_s=5.0))
        await service.until(lambda: service.executor.driver.machine.runs[asked.run].stop_reason is not None)
        assert node.runs[asked.run].interrupts == 1
        clock.time += 5.0
        service.tick()
        heard = await client.until_ended(asked.run)
    assert heard.views[-1].outcome == "cancelled"
    assert heard.views[-1].reason is not None
    assert heard.views[-1].reason.code == "cancelled"


async def test_a_run_cancelled_in_the_queue_gets_its_end_here(service: Service, node: FarNode):
    busy, waiting = request(play(hold=True)), request()
    await service.ask("POST", "/runs", api.RunView, busy)
    view = await service.ask("POST", "/runs", api.RunView, waiting)
    assert (view.state, view.place) == ("queued", 1)
    await service.ask("POST", f"/runs/{waiting.run}/cancel", body={"grace_s": 1})
    async with service.stream() as client:
        await client.say(api.Follow(waiting.run))
        heard = await client.until_ended(waiting.run)
    assert isinstance(heard.frames[-1], End)
    assert heard.frames[-1].outcome == "cancelled"
    assert node.executions == [busy.run]


@pytest.mark.parametrize(("gpu", "error"), [("B300", NoDeviceFits), ("H100:3", NoDeviceFits), ("H100 ", BadSpec)])
async def test_what_can_never_be_had_is_refused_at_once(service: Service, gpu: str, error: type[FarcellError]):
    asked = request(gpu=gpu)
    with pytest.raises(error):
        await service.ask("POST", "/runs", api.RunView, asked)
    async with service.stream() as client:
        await client.say(api.Submit(asked))
        refused = await client.hear()
    assert isinstance(refused, api.Refused)
    assert (refused.run, refused.error.code) == (asked.run, error.code)


async def test_a_payload_over_the_limit_is_refused_in_words(service: Service):
    with pytest.raises(MessageTooLarge, match=r"67,108,864 bytes, over the limit"):
        await service.ask("POST", "/runs", api.RunView, request(bytes(64 * 2**20)))


async def test_bytes_that_are_no_message_are_refused_and_the_stream_goes_on(service: Service):
    async with service.stream() as client:
        for junk in (b"\xc1", b"", "text", b"\x81\xa4type\xa4nope"):
            await client.link.send(junk)
            refused = await client.hear()
            assert isinstance(refused, api.Refused)
            assert refused.run is None
        asked = request()
        await client.say(api.Submit(asked))
        assert (await client.until_ended(asked.run)).text == "hi\n"


async def test_what_does_not_exist_is_not_found(service: Service):
    for method, path in [
        ("GET", f"/runs/{new_run_id()}"),
        ("GET", "/runs/..%2F..%2Fetc"),
        ("GET", f"/runs/{new_run_id()}/output"),
        ("POST", f"/runs/{new_run_id()}/interrupt"),
        ("GET", "/sessions/s-000000000000"),
        ("DELETE", "/tokens/t-000000000000"),
        ("GET", "/nothing"),
    ]:
        with pytest.raises(NotFound):
            await service.ask(method, path)


async def test_a_worker_that_exits_ends_its_run_with_the_reason(service: Service, node: FarNode):
    asked = request(play("before\n", hold=True))
    async with service.stream() as client:
        await client.say(api.Submit(asked))
        view = await client.until_state(asked.run, "running")
        assert view.worker is not None
        node.exit(view.worker.worker)
        heard = await client.until_ended(asked.run)
    assert heard.views[-1].outcome == "lost"
    assert heard.views[-1].reason is not None
    assert heard.views[-1].reason.code == "worker-exited"


async def test_another_user_sees_and_touches_nothing(service: Service):
    bob, eve = await service.token_of("bob"), await service.token_of("eve")
    asked = request(play("mine\n"))
    view = await service.ask("POST", "/runs", api.RunView, asked, token=bob)
    assert await service.ask("GET", "/runs", list[api.RunView], token=eve) == []
    assert await service.ask("GET", "/sessions", list[api.SessionView], token=eve) == []
    for method, path in [
        ("GET", f"/runs/{asked.run}"),
        ("GET", f"/runs/{asked.run}/output"),
        ("POST", f"/runs/{asked.run}/interrupt"),
        ("POST", f"/runs/{asked.run}/cancel"),
        ("GET", f"/sessions/{view.session}"),
        ("POST", f"/sessions/{view.session}/stop"),
    ]:
        with pytest.raises(Forbidden):
            await service.ask(method, path, token=eve)
    with pytest.raises(Forbidden):
        await service.ask("POST", "/runs", api.RunView, asked, token=eve)
    async with service.stream(token=eve) as client:
        await client.say(api.Follow(asked.run))
        refused = await client.hear()
        assert isinstance(refused, api.Refused)
        assert refused.error.code == "forbidden"
    assert [run.run for run in await service.ask("GET", "/runs", list[api.RunView], token=bob)] == [asked.run]
    assert [run.run for run in await service.ask("GET", "/runs", list[api.RunView])] == [asked.run]


async def test_two_users_never_share_a_session(service: Service):
    bob, eve = await service.token_of("bob"), await service.token_of("eve")
    first = await service.ask("POST", "/runs", api.RunView, request(session="train"), token=bob)
    second = await service.ask("POST", "/runs", api.RunView, request(session="train"), token=eve)
    assert first.session != second.session


async def test_simulated_devices_are_declared_and_answered(service: Service):
    devices = await service.ask("POST", "/devices/simulate", list[api.DeviceView], api.Simulate("A100"))
    assert [device.model for device in devices] == ["H100", "H100", "A100"]
    with pytest.raises(BadSpec):
        await service.ask("POST", "/devices/simulate", list[api.DeviceView], api.Simulate("A100 "))


async def test_a_stopped_session_shows_its_reason_and_frees_its_devices(service: Service):
    view = await service.ask("POST", "/runs", api.RunView, request(gpu="H100:2"))
    held = await service.ask("GET", "/nodes", list[api.NodeView])
    assert [device.session for device in held[0].devices] == [view.session] * 2
    await service.ask("POST", f"/sessions/{view.session}/stop", body={"grace_s": 0})
    await service.until(lambda: not service.executor.driver.machine.workers)
    free = await service.ask("GET", "/nodes", list[api.NodeView])
    assert [device.session for device in free[0].devices] == [None, None]
    ended = await service.ask("GET", f"/sessions/{view.session}", api.SessionView)
    assert ended.reason is not None
    assert "stopped by admin" in ended.reason.message


async def test_a_cell_that_relies_on_an_ended_session_is_refused_and_runs_without_it(service: Service, node: FarNode):
    first = request()
    async with service.stream() as client:
        await client.say(api.Submit(first))
        session = (await client.until_ended(first.run)).views[-1].session
        relying = request(expects=session)
        await client.say(api.Submit(relying))
        assert (await client.until_ended(relying.run)).views[-1].session == session
        await service.ask("POST", f"/sessions/{session}/stop")
        too_late = request(expects=session)
        await client.say(api.Submit(too_late))
        refusal = (await client.until_ended(too_late.run)).refusal
        assert refusal is not None
        assert (refusal.error.code, refusal.error.fields["session"]) == ("session-ended", session)
        with pytest.raises(SessionEnded, match="send their values"):
            await service.ask("POST", "/runs", api.RunView, request(expects=session))
        again = request()
        await client.say(api.Submit(again))
        assert (await client.until_ended(again.run)).views[-1].session != session
    assert node.executions == [first.run, relying.run, again.run]
