"""Watching the whole: what a client is told of nodes, sessions and runs without asking again."""

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from farcell_executor.store.memory import MemoryStore
from farcell_protocol.frames import Variable, Variables
from farcell_protocol.messages import api
from tests.fakes.far_node import FarNode, play
from tests.unit.executor.service import Client, Service, request, serving, settings_for


@dataclass
class Picture:
    """What a watching client knows, kept as the protocol says."""

    client: Client
    nodes: dict[str, api.NodeView] = field(default_factory=dict)
    sessions: dict[str, api.SessionView] = field(default_factory=dict)
    runs: dict[str, api.RunView] = field(default_factory=dict)
    told: list[api.Fleet] = field(default_factory=list)

    async def until(self, condition) -> None:
        while not condition(self):
            message = await self.client.hear()
            assert isinstance(message, api.Fleet), message
            self.take(message)

    def take(self, fleet: api.Fleet) -> None:
        self.told.append(fleet)
        if fleet.whole:
            self.nodes, self.sessions, self.runs = {}, {}, {}
        self.nodes |= {one.node: one for one in fleet.nodes}
        self.sessions |= {one.session: one for one in fleet.sessions}
        self.runs |= {one.run: one for one in fleet.runs}

    def states(self) -> dict[str, str]:
        return {run: view.state for run, view in self.runs.items()}


@asynccontextmanager
async def watching(service: Service, token: str = ""):
    async with service.stream(token) as client:
        await client.say(api.Watch())
        picture = Picture(client)
        await picture.until(lambda p: p.told)
        yield picture


async def test_the_first_word_is_the_whole(service: Service, node: FarNode):
    ended, running = request(play("x\n")), request(play(hold=True), gpu="H100", session="held")
    async with service.stream() as client:
        await client.say(api.Submit(ended))
        await client.until_ended(ended.run)
        await client.say(api.Submit(running))
        await client.until_state(running.run, "running")
    async with watching(service) as picture:
        assert picture.told[0].whole
        assert {run.owner for run in picture.runs.values()} == {picture.told[0].user}
        assert picture.states() == {ended.run: "ended", running.run: "running"}
        held = picture.runs[running.run].session
        assert [device.session for device in picture.nodes[node.id].devices] == [held, None]
        assert picture.sessions[held].running == running.run


async def test_a_run_is_told_of_from_the_queue_to_its_end(service: Service, node: FarNode):
    async with watching(service) as picture:
        asked = request(play(hold=True), gpu="H100:2")
        await service.ask("POST", "/runs", api.RunView, asked)
        await picture.until(lambda p: p.states().get(asked.run) == "running")
        held = picture.runs[asked.run].session
        assert {device.session for device in picture.nodes[node.id].devices} == {held}
        node.end(asked.run)
        await picture.until(lambda p: p.states().get(asked.run) == "ended" and p.sessions[held].expires)
        await service.ask("POST", f"/sessions/{held}/stop")
        await picture.until(lambda p: p.sessions[held].state == "ended")
        await picture.until(lambda p: {device.session for device in p.nodes[node.id].devices} == {None})
        assert not any(fleet.whole for fleet in picture.told[1:])


async def test_a_place_in_the_queue_that_moves_is_told(service: Service, node: FarNode):
    async with watching(service) as picture:
        asked = [request(play(hold=True), gpu="H100:2", session=name) for name in ("first", "second", "third")]
        for one in asked:
            await service.ask("POST", "/runs", api.RunView, one)
        first, second, third = (one.run for one in asked)
        await picture.until(lambda p: third in p.runs and p.runs[third].place == 2)
        await service.ask("POST", f"/runs/{second}/cancel")
        await picture.until(lambda p: p.runs[third].place == 1)
        assert picture.states()[second] == "ended"
        assert picture.states()[first] == "running"


async def test_output_alone_is_no_news(service: Service, node: FarNode):
    asked = request(play(hold=True))
    async with watching(service) as picture:
        await service.ask("POST", "/runs", api.RunView, asked)
        await picture.until(lambda p: p.states().get(asked.run) == "running")
        before = len(picture.told)
        for number in range(50):
            node.add_output(asked.run, f"{number}\n")
        other = request(play(hold=True), session="other")
        await service.ask("POST", "/runs", api.RunView, other)
        await picture.until(lambda p: p.states().get(other.run) == "running")
        assert not any(view.run == asked.run for fleet in picture.told[before:] for view in fleet.runs)


async def test_another_user_is_told_of_nodes_only(service: Service):
    bob, eve = await service.token_of("bob"), await service.token_of("eve")
    async with watching(service, eve) as eves, watching(service, bob) as bobs:
        asked = request(play("mine\n"), gpu="H100")
        await service.ask("POST", "/runs", api.RunView, asked, token=bob)
        await bobs.until(lambda p: p.states().get(asked.run) == "ended")
        await eves.until(lambda p: any(d.session for one in p.nodes.values() for d in one.devices))
        assert (eves.runs, eves.sessions) == ({}, {})


async def test_asking_again_tells_the_whole_again_and_unwatching_ends_it(service: Service, node: FarNode):
    async with watching(service) as picture:
        await picture.client.say(api.Watch())
        await picture.until(lambda p: len(p.told) == 2)
        assert picture.told[1].whole
        await picture.client.say(api.Unwatch())
        asked = request(play("on\n"))
        await picture.client.say(api.Submit(asked))
        heard = []
        while not heard or not (isinstance(heard[-1], api.RunChanged) and heard[-1].view.state == "ended"):
            heard.append(await picture.client.hear())
        assert not any(isinstance(message, api.Fleet) for message in heard)


async def test_many_changes_are_told_in_fewer_words(service: Service):
    async with watching(service) as picture:
        asked = [request(play(f"{number}\n")) for number in range(60)]
        async with service.stream() as client:
            for one in asked:
                await client.say(api.Submit(one))
            await picture.until(lambda p: len(p.runs) == 60 and set(p.states().values()) == {"ended"})
        assert len(picture.told) < 60


async def test_what_a_session_holds_is_told_when_a_cell_has_ended(service: Service, node: FarNode):
    async with watching(service) as picture:
        asked = request(play(hold=True))
        await service.ask("POST", "/runs", api.RunView, asked)
        await picture.until(lambda p: p.states().get(asked.run) == "running")
        held = picture.runs[asked.run].session
        assert picture.sessions[held].variables is None
        holds = Variables([Variable("x", "numpy.ndarray", 96, (3, 4))])
        node.end(asked.run, variables=holds)
        await picture.until(lambda p: p.sessions[held].variables == holds)
        told_nothing = request(play("x\n"))
        await service.ask("POST", "/runs", api.RunView, told_nothing)
        await picture.until(lambda p: p.states().get(told_nothing.run) == "ended" and p.sessions[held].expires)
        assert picture.sessions[held].variables == holds


async def test_a_restarted_executor_knows_what_sessions_hold(tmp_path: Path, node: FarNode):
    settings, kept, asked = settings_for(tmp_path), MemoryStore(), request(play(hold=True))
    holds = Variables([Variable("x", "int")])
    async with serving(settings, store=kept) as first:
        await first.join(node)
        async with first.stream() as client:
            await client.say(api.Submit(asked))
            session = (await client.until_state(asked.run, "running")).session
            node.end(asked.run, variables=holds)
            await client.until_ended(asked.run)
    async with serving(settings, store=kept) as second:
        assert (await second.ask("GET", f"/sessions/{session}", api.SessionView)).variables == holds
