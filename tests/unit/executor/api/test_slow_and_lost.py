"""Followers that read slowly or not at all, agents that come and go, executors that leave and return."""

import asyncio
import os
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from farcell_executor.links import Outgoing
from farcell_executor.store.memory import MemoryStore
from farcell_protocol.errors import Unavailable
from farcell_protocol.frames import End
from farcell_protocol.framing import pack
from farcell_protocol.ids import RunId, TellId, WorkerId
from farcell_protocol.messages import api, keeping, link
from tests.fakes.far_node import FarLink, FarNode, play
from tests.unit.executor.api.test_agent_tokens import _decoder, joined
from tests.unit.executor.service import DEADLINE_S, MovedClock, Service, request, serving, settings_for

MIB = 2**20


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_a_follower_that_does_not_read_costs_no_memory_and_delays_nobody(service: Service, node: FarNode):
    asked = request(play("first\n", hold=True))
    async with service.stream(max_queue=1) as slow, service.stream() as quick:
        await slow.say(api.Submit(asked))
        await slow.until_state(asked.run, "running")
        slow.link.transport.pause_reading()
        before = resident_bytes()
        for _ in range(64):
            node.add_output(asked.run, "x" * MIB)
            node.runs[asked.run].frames[-1] = b""  # the test's own copy is not what is measured
            await asyncio.sleep(0)
        other = request(play("quick\n"), session="other")
        await quick.say(api.Submit(other))
        assert (await quick.until_ended(other.run)).text == "quick\n"
        log = service.executor.logs.log(asked.run)
        assert log.last == 65
        assert resident_bytes() - before < 24 * MIB
        slow.link.transport.resume_reading()
        node.end(asked.run)
        heard = await slow.until_ended(asked.run)
    assert len(heard.text) == len("first\n") + 64 * MIB
    assert heard.numbers == list(range(1, 67))


async def test_a_host_that_reads_slowly_delays_nobody_else(service: Service, node: FarNode):
    far = FarNode(("H100",), embedded=False)
    stuck = request(play(hold=True) + b" " * 30 * MIB, gpu="H100")
    async with joined(service, await service.token_of("host", "agent"), far) as socket, service.stream() as client:
        await service.until(lambda: far.id in service.executor.driver.machine.nodes)
        await client.say(api.Submit(stuck))
        start = _decoder.decode(await socket.recv(decode=False))
        socket.transport.pause_reading()
        far.connection = FarLink(far)
        far.obey(start)
        await socket.send(pack(far.connection.waiting.popleft()))
        await client.until_state(stuck.run, "running")
        await client.say(api.Cancel(stuck.run))
        other = request(play("quick\n"), session="other")
        await client.say(api.Submit(other))
        async with asyncio.timeout(5):
            assert (await client.until_ended(other.run)).text == "quick\n"
        socket.transport.abort()


async def test_interrupts_and_stops_go_before_the_runs_of_other_workers(node: FarNode):
    link_ = SlowLink(node)
    out = Outgoing(link_, no_failure)
    one, other = WorkerId("w-1"), WorkerId("w-2")
    runs = [keeping.Execute(one, RunId(f"r-{n}"), bytes(MIB)) for n in range(3)]
    stop, interrupt = keeping.Stop(one, 0.0, None), keeping.SendInterrupt(other, RunId("r-9"))
    async with sending(out):
        assert out.put(runs[0])
        await link_.taken.wait()
        assert all(out.put(message) for message in (runs[1], interrupt, runs[2], stop))
        link_.reads.set()
        out.finish()
    assert link_.told == [runs[0], interrupt, runs[1], runs[2], stop]


async def test_an_agent_that_leaves_too_much_unread_is_hung_up_on(node: FarNode):
    out = Outgoing(SlowLink(node), no_failure, limit_bytes=MIB)
    tell = keeping.Tell(WorkerId("w"), RunId("r"), TellId("t"), bytes(MIB))
    assert out.put(tell), "one of any size is taken"
    assert not out.over.is_set()
    assert not out.put(tell)
    assert out.over.is_set()


async def test_runs_handed_over_again_do_not_close_a_slow_link_again_and_again(node: FarNode):
    out = Outgoing(SlowLink(node), no_failure, limit_bytes=MIB)
    assert all(out.put(keeping.Execute(WorkerId("w"), RunId("r"), bytes(MIB))) for _ in range(4))


async def test_what_was_decided_before_an_executor_leaves_is_still_said(service: Service):
    far = FarNode(embedded=False)
    slow = SlowLink(far)
    slow.say(far.dial().waiting.popleft())
    serving_it = asyncio.create_task(service.executor.agents.serve(slow))
    await service.until(lambda: far.id in service.executor.driver.machine.nodes)
    for run in (RunId("r-1"), RunId("r-2")):
        slow.say(keeping.Frames(run, 1, [], end=False))  # of nobody's run: acknowledged and dropped
    await slow.taken.wait()
    serving_it.cancel()
    slow.reads.set()
    await asyncio.wait({serving_it})
    assert [message.run for message in slow.told if isinstance(message, keeping.Ack)] == ["r-1", "r-2"]


class SlowLink(FarLink):
    """Takes nothing until `reads` is set."""

    def __init__(self, node: FarNode) -> None:
        super().__init__(node)
        self.reads, self.taken = asyncio.Event(), asyncio.Event()

    async def send(self, message: link.ToAgent) -> None:
        self.taken.set()
        await self.reads.wait()
        self.told.append(message)


@asynccontextmanager
async def sending(out: Outgoing) -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(out.run())
        yield


def no_failure(message: link.ToAgent, err: Exception) -> None:
    raise AssertionError(message) from err


async def test_frames_lost_with_a_connection_are_sent_again_once(service: Service, node: FarNode):
    asked = request(play("one\n", hold=True))
    async with service.stream() as client:
        await client.say(api.Submit(asked))
        await client.until_state(asked.run, "running")
        old = node.connection
        old.cut()
        node.add_output(asked.run, "two\n")
        await service.join(node)
        node.add_output(asked.run, "three\n")
        node.end(asked.run)
        heard = await client.until_ended(asked.run)
    assert heard.text == "one\ntwo\nthree\n"
    assert heard.numbers == [1, 2, 3, 4]
    assert node.executions == [asked.run]


async def test_a_gap_is_asked_for_again_from_the_last_number(service: Service, node: FarNode):
    asked = request(play("one\n", hold=True))
    async with service.stream() as client:
        await client.say(api.Submit(asked))
        await client.until_state(asked.run, "running")
        node.deaf = True
        node.add_output(asked.run, "two\n")
        node.deaf = False
        node.add_output(asked.run, "three\n")
        node.end(asked.run)
        heard = await client.until_ended(asked.run)
    assert heard.text == "one\ntwo\nthree\n"
    assert [message for message in node.connection.told if isinstance(message, keeping.Resume)] == [
        keeping.Resume(asked.run, 1)
    ]


async def test_a_newer_connection_of_a_node_replaces_the_older(service: Service, node: FarNode):
    old, serving_old = node.connection, service.links[-1]
    await service.join(node)
    async with asyncio.timeout(DEADLINE_S):
        await serving_old
    assert old.closed
    assert service.executor.driver.machine.nodes[node.id].state.value == "connected"
    node.connection.cut()
    await service.until(lambda: service.executor.driver.machine.nodes[node.id].state.value == "unknown")


async def test_an_agent_of_another_protocol_is_told_so(service: Service):
    stranger = FarNode()
    connection = stranger.dial(protocol=9, oldest=9)
    await service.executor.agents.serve(connection)
    assert [type(message) for message in connection.told] == [link.AgentRefused]
    assert "upgrade" in connection.told[0].message  # type: ignore[union-attr]
    assert connection.closed


async def test_output_of_another_nodes_run_is_not_believed(service: Service):
    asked = request(play(hold=True))
    await service.ask("POST", "/runs", api.RunView, asked)
    forger = FarNode(embedded=False)
    await service.join(forger)
    forger.say(keeping.Frames(asked.run, 1, [], end=True))
    forger.say(link.DevicesChanged([link.DeviceReport("d9", "B300", 0)]))  # handled after it
    await service.until(lambda: any(device.model == "B300" for device, _ in service.executor.driver.machine.devices()))
    assert service.executor.logs.log(asked.run).last == 0
    assert service.executor.driver.machine.runs[asked.run].state.value == "running"


@pytest.mark.parametrize("in_memory", [True, False], ids=["memory", "sqlite"])
async def test_a_restarted_executor_goes_on_where_it_was(tmp_path: Path, node: FarNode, in_memory: bool):
    settings = replace(settings_for(tmp_path), memory_store=in_memory)
    kept = MemoryStore() if in_memory else None
    asked = request(play("before\n", hold=True))
    async with serving(settings, store=kept) as first:
        await first.join(node)
        token = first.token
        async with first.stream() as client:
            await client.say(api.Submit(asked))
            await client.until_state(asked.run, "running")
            heard = await client.hear()
            assert isinstance(heard, api.RunFrames)
    node.add_output(asked.run, "between\n")
    async with serving(settings, store=kept) as second:
        assert second.token == token
        await second.join(node)
        async with second.stream() as client:
            await client.say(api.Follow(asked.run, after=1))
            node.end(asked.run)
            heard_later = await client.until_ended(asked.run)
        assert heard_later.text == "between\n"
        assert heard_later.numbers == [2, 3]
        assert await second.output(asked.run) == b"before\nbetween\n"
        again = await second.ask("POST", "/runs", api.RunView, asked)
        assert again.outcome == "ok"
    assert node.executions == [asked.run]
    assert len(node.starts) == 1


async def test_a_run_whose_end_was_written_but_not_stored_is_not_executed_again(tmp_path: Path, node: FarNode):
    kept = MemoryStore()
    settings = settings_for(tmp_path)
    asked = request(play("done\n", hold=True))
    async with serving(settings, store=kept) as first:
        await first.join(node)
        await first.ask("POST", "/runs", api.RunView, asked)
    node.end(asked.run)
    async with serving(settings, store=kept) as between:
        # As if the last executor had died behind the write and before the store: the keeper dropped the run.
        log = between.executor.logs.log(asked.run)
        log.append(log.last + 1, [node.runs.pop(asked.run).frames[-1]], end=True)
    async with serving(settings, store=kept) as second:
        await second.join(node)
        view = await second.ask("GET", f"/runs/{asked.run}", api.RunView)
    assert (view.state, view.outcome) == ("ended", "ok")
    assert node.executions == [asked.run]


async def test_a_draining_executor_takes_no_runs_and_leaves_its_workers(service: Service, node: FarNode):
    await service.ask("POST", "/runs", api.RunView, request(play(hold=True)))
    service.executor.runs.draining = True
    with pytest.raises(Unavailable, match="leaving"):
        await service.ask("POST", "/runs", api.RunView, request())
    await service.ask("POST", "/drain")
    assert service.executor.leaving.is_set()
    assert all(report.state == "ready" for report in node.workers.values())


async def test_stop_ends_the_sessions_first(service: Service, node: FarNode):
    asked = request(play(hold=True))
    await service.ask("POST", "/runs", api.RunView, asked)
    async with service.stream() as client:
        await client.say(api.Follow(asked.run))
        await client.until_state(asked.run, "running")
        stopping = asyncio.create_task(service.ask("POST", "/stop"))
        heard = await client.until_ended(asked.run)
        await stopping
    assert heard.views[-1].reason is not None
    assert "stopped" in heard.views[-1].reason.message
    assert service.executor.leaving.is_set()
    assert not service.executor.driver.machine.workers


async def test_a_full_disk_ends_the_run_with_a_reason_and_leaves_the_others(service: Service, node: FarNode):
    full, fine = request(play("kept\n", hold=True)), request(play("fine\n"), session="other")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with service.stream() as client:
        await client.say(api.Submit(full))
        await client.until_state(full.run, "running")
        frames = await client.hear()
        assert isinstance(frames, api.RunFrames)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, limits[1]))
            node.add_output(full.run, "x" * 200_000)
            heard = await client.until_ended(full.run)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        await client.say(api.Submit(fine))
        assert (await client.until_ended(fine.run)).text == "fine\n"
    assert isinstance(heard.frames[-1], End)
    assert heard.views[-1].outcome == "lost"
    assert heard.views[-1].reason is not None
    assert heard.views[-1].reason.code == "disk-full"
    assert (await service.output(full.run)) == b"kept\n"
    assert not node.runs, "the keeper may drop what could not be kept"


async def test_an_idle_executor_leaves_and_a_used_one_does_not(tmp_path: Path, node: FarNode, clock: MovedClock):
    settings = replace(settings_for(tmp_path), idle_exit_s=100.0)
    async with serving(settings, clock=clock) as service:
        await service.join(node)
        async with service.stream() as client:
            asked = request(once=True)
            await client.say(api.Submit(asked))
            await client.until_ended(asked.run)
            await service.until(lambda: not service.executor.driver.machine.sessions)
            clock.time += 1000.0
            service.tick()
            await service.ask("GET", "/status")
            assert not service.executor.leaving.is_set()
        await service.until(lambda: not service.executor.driver.machine.workers)
        await service.ask("GET", "/status")
        clock.time += 99.0
        service.tick()
        assert service.executor.idle.left_s() == 1.0
        assert not service.executor.leaving.is_set()
        clock.time += 2.0
        service.tick()
        async with asyncio.timeout(5):
            await service.executor.leaving.wait()
