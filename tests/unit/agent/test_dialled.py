"""The agent that dials: a fake executor's websocket, cut and killed; a real keeper process (the stand-in)."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import msgspec
import pytest

from farcell_agent.app import serve_dialled
from farcell_agent.websocket_link import Dialler, websocket_address
from farcell_protocol.backoff import Backoff
from farcell_protocol.errors import BadRequest, Forbidden, Unauthorized
from farcell_protocol.frames import Message, decode_frame
from farcell_protocol.messages.keeping import Ack, Frames, Resume
from farcell_protocol.messages.link import AgentRefused
from farcell_protocol.places import Places
from tests.fakes.executor_end import separate
from tests.fakes.executor_server import TOKEN, FakeExecutor, fake_executor


@asynccontextmanager
async def dialled(where: Places, url: str, token: Callable[[], str] = lambda: TOKEN) -> AsyncIterator[None]:
    """An agent that dials, with pauses as short as a test wants them."""
    log = logging.getLogger("farcell_agent")
    dialler = Dialler(url, token, log, backoff=Backoff(0.01, 0.05), refused_backoff=Backoff(0.01, 0.05))
    with separate(where) as agent:
        serving = asyncio.create_task(serve_dialled(agent, dialler, log))
        try:
            yield
        finally:
            serving.cancel()
            await asyncio.wait({serving})


async def test_it_dials_with_its_token_and_protocol_and_introduces_itself(where: Places):
    async with fake_executor() as executor, dialled(where, executor.url):
        agent = await executor.agent()
    request = executor.requests[0]
    assert (request.path, request.headers["Farcell-Protocol"]) == ("/v1/agents", "1;1")
    assert (agent.hello.embedded, agent.hello.name) == (False, "there")


async def test_it_reaches_an_executor_at_a_unix_socket(where: Places):
    where.runtime.mkdir(mode=0o700, parents=True)
    async with fake_executor(where.executor_socket) as executor, dialled(where, f"unix://{where.executor_socket}"):
        await executor.agent()


async def test_frames_go_on_after_each_cut_each_once_and_in_order(where: Places):
    async with fake_executor() as executor, dialled(where, executor.url):
        agent = await executor.agent()
        worker = await agent.ready()
        run = await agent.execute(worker, "lines:3000")
        lines, last, ended, cuts = [], 0, False, 0
        while not ended:
            frames = await agent.next(Frames)
            assert frames.first == last + 1
            messages = [decode_frame(frame) for frame in frames.frames]
            lines += [m.content["text"] for m in messages if isinstance(m, Message)]
            last, ended = last + len(messages), frames.end
            await agent.link.send(Ack(run, last))
            if cuts < 4 and last > 500 * (cuts + 1):
                cuts += 1
                agent.link.cut()
                agent = await executor.agent()
                assert [(r.run, r.worker) for r in agent.hello.runs] == [(run, worker)]
                await agent.link.send(Resume(run, last))
    assert lines == [f"{n}\n" for n in range(1, 3001)]
    assert cuts == 4


async def test_an_executor_killed_and_started_again_finds_the_same_worker(where: Places):
    async with fake_executor() as executor, dialled(where, executor.url):
        agent = await executor.agent()
        worker = await agent.ready()
        await executor.stop()
        await executor.start()
        again = await executor.agent()
        assert [(w.worker, w.state) for w in again.hello.workers] == [(worker, "ready")]
        assert again.hello.keeper_pid == agent.hello.keeper_pid
        run = await again.execute(worker, "say:still here")
        assert await again.text(run) == "still here"


async def test_an_agent_that_starts_before_its_executor_waits_for_it(where: Places):
    executor = FakeExecutor()
    await executor.start()
    await executor.stop()
    async with dialled(where, executor.url):
        await executor.start()
        await executor.agent()
        await executor.stop()


async def test_a_wrong_token_is_said_and_a_right_one_put_in_its_place_is_used(
    where: Places, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    file = tmp_path / "token"
    file.write_text("wrong")
    async with fake_executor() as executor, dialled(where, executor.url, file.read_text):
        await executor.refused()
        await executor.refused()
        file.write_text(TOKEN)
        await executor.agent()
    said = [record.getMessage() for record in caplog.records if "refuses" in record.getMessage()]
    assert said == [f"{executor.url} refuses this agent: the token is missing, wrong or revoked"]


@pytest.mark.parametrize(
    ("status", "words"), [(HTTPStatus.FORBIDDEN, "not one for agents"), (HTTPStatus.UPGRADE_REQUIRED, "upgrade")]
)
async def test_other_refusals_say_what_to_do(
    where: Places, status: HTTPStatus, words: str, caplog: pytest.LogCaptureFixture
):
    async with fake_executor() as executor:
        executor.status = status
        async with dialled(where, executor.url):
            await executor.refused()
            await executor.refused()
            executor.status = None
            await executor.agent()
    assert any(words in record.getMessage() for record in caplog.records)


async def test_a_refusal_that_says_why_is_passed_on_in_its_words(where: Places, caplog: pytest.LogCaptureFixture):
    async with fake_executor() as executor:
        executor.status = HTTPStatus.FORBIDDEN
        executor.refusal = msgspec.json.encode(
            Forbidden("this executor does not answer as 'gpu.example'").info()
        ).decode()
        async with dialled(where, executor.url):
            await executor.refused()
            await executor.refused()
    assert f"{executor.url} refuses this agent: this executor does not answer as 'gpu.example'" in caplog.text


async def test_a_refusal_over_the_link_is_said_and_tried_again_later(where: Places, caplog: pytest.LogCaptureFixture):
    async with fake_executor() as executor, dialled(where, executor.url):
        agent = await executor.agent()
        await agent.link.send(AgentRefused("version-mismatch", "too old"))
        await executor.agent()
    assert f"{executor.url} refuses this agent: too old (version-mismatch)" in caplog.text


async def test_a_token_that_cannot_be_read_for_a_while_ends_nothing(where: Places):
    answers = iter([Unauthorized("no such file"), TOKEN])

    def token() -> str:
        answer = next(answers)
        if isinstance(answer, Unauthorized):
            raise answer
        return answer

    async with fake_executor() as executor, dialled(where, executor.url, token):
        await executor.agent()


async def test_bytes_that_are_no_message_cost_a_reconnect(where: Places):
    async with fake_executor() as executor, dialled(where, executor.url):
        agent = await executor.agent()
        await agent.link.socket.send(b"\xc1")
        await executor.agent()


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://host:8765", ("ws", "ws://host:8765/v1/agents")),
        ("https://host/farcell/", ("ws", "wss://host/farcell/v1/agents")),
        ("ws://host:1/v1/agents", ("ws", "ws://host:1/v1/agents")),
        ("unix:///run/farcell/executor.sock", ("unix", "/run/farcell/executor.sock")),
    ],
)
def test_addresses_are_understood(url: str, address: tuple[str, str]):
    assert websocket_address(url) == address


@pytest.mark.parametrize("url", ["", "host:8765", "ftp://host", "http://", "unix:"])
def test_other_addresses_are_refused(url: str):
    with pytest.raises(BadRequest, match="write http://host:port"):
        websocket_address(url)
