"""What a client tells a run that executes, and a session's comms, through the API."""

from farcell_protocol.errors import error_from
from farcell_protocol.frames import Heard, decode_frame
from farcell_protocol.framing import MAX_RECORD_BYTES
from farcell_protocol.ids import RunId, comms_run_of, new_tell_id
from farcell_protocol.messages import api
from tests.fakes.far_node import FarNode, play
from tests.unit.executor.service import Client, Service, request


async def running(client: Client) -> api.RunView:
    asked = request(play(hold=True))
    await client.say(api.Submit(asked))
    return await client.until_state(asked.run, "running")


async def frames_of(client: Client, run: RunId) -> api.RunFrames:
    while True:
        message = await client.hear()
        if isinstance(message, api.RunFrames) and message.run == run:
            return message


async def test_what_a_run_is_told_reaches_its_worker_unopened_and_is_heard(service: Service, node: FarNode):
    async with service.stream() as client:
        cell = await running(client)
        tell = new_tell_id()
        await client.say(api.Tell(cell.run, tell, b"anything at all"))
        heard = await frames_of(client, cell.run)
    assert node.told == [(cell.run, b"anything at all")]
    assert heard.first == 1
    assert decode_frame(heard.frames[0]) == Heard([tell])


async def test_a_sessions_comms_run_beside_its_cell_and_are_not_listed(service: Service, node: FarNode):
    async with service.stream() as client:
        cell = await running(client)
        comms = comms_run_of(cell.session)
        asked = api.RunRequest(comms, b"", api.Interpreter("python", "3.11.7"), kind="comms", expects=cell.session)
        await client.say(api.Submit(asked))
        assert (await client.until_state(comms, "running")).session == cell.session
        await client.say(api.Tell(comms, new_tell_id(), b"moved"))
        await frames_of(client, comms)
        session = await service.ask("GET", f"/sessions/{cell.session}", api.SessionView)
        runs = await service.ask("GET", "/runs", list[api.RunView])
    assert node.told == [(comms, b"moved")]
    assert (session.running, session.queued) == (cell.run, 0)
    assert [run.run for run in runs] == [cell.run]


async def test_another_users_run_is_told_nothing(service: Service, node: FarNode):
    async with service.stream() as mine, service.stream(await service.token_of("eve")) as theirs:
        cell = await running(mine)
        await theirs.say(api.Tell(cell.run, new_tell_id(), b"psst"))
        answer = await theirs.hear()
    assert isinstance(answer, api.Refused)
    assert answer.error.code == "forbidden"
    assert node.told == []


async def test_something_too_large_to_be_told_is_refused_with_its_size(service: Service):
    async with service.stream() as client:
        cell = await running(client)
        await client.say(api.Tell(cell.run, new_tell_id(), bytes(MAX_RECORD_BYTES)))
        answer = await client.hear()
        while not isinstance(answer, api.Refused):
            answer = await client.hear()
    assert error_from(answer.error).fields["size_bytes"] == MAX_RECORD_BYTES


async def test_a_run_that_has_ended_is_told_nothing_and_says_nothing(service: Service, node: FarNode):
    async with service.stream() as client:
        asked = request(play("over\n"))
        await client.say(api.Submit(asked))
        await client.until_ended(asked.run)
        await client.say(api.Tell(asked.run, new_tell_id(), b"late"))
        await running(client)
    assert node.told == []
