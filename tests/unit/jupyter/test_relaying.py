"""What the browser is told of runs, sessions and devices, and what it can do to them."""

import asyncio
import json

import msgspec

from farcell_jupyter.messages import Reading, write
from farcell_protocol.frames import End, Message, ValueBack
from farcell_protocol.ids import new_run_id
from farcell_protocol.messages import api
from farcell_protocol.pieces import cut
from tests.fakes.far_node import FarNode, play
from tests.unit.executor.service import Service, request
from tests.unit.jupyter.server import Browser, JupyterServer


async def test_the_lists_are_the_executors(server: JupyterServer, service: Service, node: FarNode):
    asked = request(play(hold=True), gpu="H100")
    view = await service.ask("POST", "/runs", api.RunView, asked)
    assert (await server.ask("GET", "status"))["version"] == service.executor.version
    assert [one["name"] for one in await server.ask("GET", "nodes")] == ["far"]
    assert [one["session"] for one in await server.ask("GET", "sessions")] == [view.session]
    assert (await server.ask("GET", f"sessions/{view.session}"))["gpu"] == "H100"
    assert [one["run"] for one in await server.ask("GET", "runs")] == [asked.run]
    assert (await server.ask("GET", f"runs/{asked.run}"))["title"] == "print('hi')"


async def test_a_run_is_interrupted_and_cancelled(server: JupyterServer, service: Service, node: FarNode):
    asked = request(play(hold=True))
    await service.ask("POST", "/runs", api.RunView, asked)
    await service.until(lambda: node.runs.get(asked.run) is not None)
    await server.ask("POST", f"runs/{asked.run}/interrupt")
    assert node.runs[asked.run].interrupts == 1
    await server.ask("POST", f"runs/{asked.run}/cancel", {"grace_s": 5})
    assert service.executor.driver.machine.runs[asked.run].stop_reason is not None


async def test_a_session_is_stopped(server: JupyterServer, service: Service):
    view = await service.ask("POST", "/runs", api.RunView, request(play("x\n")))
    await server.ask("POST", f"sessions/{view.session}/stop")
    await service.until(lambda: view.session not in service.executor.driver.machine.sessions)


async def test_what_a_run_printed_is_text(server: JupyterServer, service: Service):
    asked = request(play("one\n", "<b>two</b>\n"))
    async with service.stream() as client:
        await client.say(api.Submit(asked))
        await client.until_ended(asked.run)
    response = await server.fetch("GET", f"farcell/runs/{asked.run}/output")
    assert response.body == b"one\n<b>two</b>\n"
    assert response.headers["Content-Type"].startswith("text/plain")


async def test_what_cannot_be_is_refused_with_its_reason(server: JupyterServer):
    assert await server.refusal("GET", "runs/r-0123456789ab") == (404, "not-found")
    assert await server.refusal("GET", "runs/r-0123456789ab/output") == (404, "not-found")
    assert await server.refusal("POST", "devices/simulate", {"gpus": 7}) == (400, "bad-request")
    assert await server.refusal("POST", "devices/simulate", {"gpus": "H100 "}) == (400, "bad-spec")
    assert await server.refusal("POST", "runs/r-0123456789ab/cancel", {"grace_s": -1}) == (400, "bad-request")


async def test_a_followed_run_comes_frame_by_frame(server: JupyterServer, service: Service):
    asked = request(play("one\n", "two\n"))
    await service.ask("POST", "/runs", api.RunView, asked)
    async with server.live() as browser:
        await browser.until("up")
        await browser.say("follow", run=asked.run)
        numbers, texts = await followed(browser, asked.run)
    assert numbers == [1, 2, 3]
    assert texts == ["one\n", "two\n"]


async def test_after_sleep_the_browser_goes_on_at_the_number_it_has(server: JupyterServer, service: Service):
    asked = request(play(count=50))
    await service.ask("POST", "/runs", api.RunView, asked)
    async with server.live() as browser:
        await browser.until("up")
        await browser.say("follow", run=asked.run, after=48)
        numbers, _ = await followed(browser, asked.run)
    assert numbers == [49, 50, 51]


async def test_a_broken_link_to_the_executor_is_told_and_mended(server: JupyterServer, service: Service, node: FarNode):
    asked = request(play("before\n", hold=True))
    await service.ask("POST", "/runs", api.RunView, asked)
    async with server.live() as browser:
        await browser.until("up")
        await browser.say("follow", run=asked.run)
        first = await browser.until("frames")
        (token,) = [one.id for one in await service.executor.tokens.all()]
        for close in list(service.executor.tokens._sockets[token]):
            close()
        down = await browser.until("down")
        assert down["error"]["code"] == "unavailable"
        await browser.until("up")
        await browser.say("follow", run=asked.run, after=first["first"] + len(first["frames"]) - 1)
        node.add_output(asked.run, "after\n")
        node.end(asked.run)
        numbers, texts = await followed(browser, asked.run)
    assert (numbers, texts) == ([2, 3], ["after\n"])


async def test_the_panel_hears_of_changes_without_asking(server: JupyterServer, service: Service, node: FarNode):
    async with server.live() as browser:
        await browser.until("up")
        await browser.say("watch")
        whole = await browser.until("fleet")
        assert whole["whole"] is True
        assert [device["model"] for device in whole["nodes"][0]["devices"]] == ["H100", "H100"]
        asked = request(play(hold=True))
        await service.ask("POST", "/runs", api.RunView, asked)
        while not any(run["state"] == "running" for run in (await browser.until("fleet")).get("runs", [])):
            continue
        await browser.say("interrupt", run=asked.run)
        await browser.say("cancel", run=asked.run, grace_s=9)
        await service.until(lambda: service.executor.driver.machine.runs[asked.run].stop_reason is not None)


async def test_what_a_browser_may_not_say_reaches_no_executor(server: JupyterServer, service: Service):
    async with server.live() as browser:
        await browser.until("up")
        for text in ("", "null", "{", '{"type":"submit","request":{}}', '{"type":"tell","run":"r-1"}'):
            await browser.link.write_message(text)
            assert (await browser.until("refused"))["error"]["code"] == "framing"
        await browser.link.write_message(b"\xff\x00", binary=True)
        assert (await browser.until("refused"))["error"]["code"] == "framing"
    assert await service.ask("GET", "/runs", list[api.RunView]) == []


async def test_a_page_that_leaves_leaves_nothing_behind(server: JupyterServer, service: Service):
    async with server.live() as browser:
        await browser.until("up")
        assert service.executor.followers.connections == 1
    assert (await server.ask("GET", "runs")) == []
    async with asyncio.timeout(10):
        await until_gone(service)


async def until_gone(service: Service) -> None:
    """Wait until no client is left; nothing announces that, so each look is a round trip to the executor."""
    while service.executor.followers.connections:
        await service.ask("GET", "/status")


async def followed(browser: Browser, run: str) -> tuple[list[int], list[str]]:
    """The numbers and the text of what comes of a run until it has ended."""
    numbers: list[int] = []
    texts: list[str] = []
    while True:
        message = await browser.hear()
        if message["type"] == "frames":
            numbers += range(message["first"], message["first"] + len(message["frames"]))
            texts += [frame["content"]["text"] for frame in message["frames"] if frame["type"] == "message"]
        elif message["type"] == "changed" and message["view"]["state"] == "ended":
            return numbers, texts


def test_a_message_in_pieces_comes_whole_and_values_stay_where_they_are():
    message = Message("display_data", {"data": {"text/plain": "x" * 300}}, {}, [b"\x00\xff"])
    pieces = list(cut(msgspec.msgpack.encode(message), 100))
    value = ValueBack("secret", "value", data=b"a pickle", digest="d")
    frames = [msgspec.Raw(msgspec.msgpack.encode(frame)) for frame in (*pieces, value, End("ok"))]
    told = json.loads(write(Reading().shown(api.RunFrames(new_run_id(), 1, frames))))["frames"]
    assert [frame["type"] for frame in told] == ["piece"] * (len(pieces) - 1) + ["message", "value", "end"]
    assert told[len(pieces) - 1]["buffers"] == ["AP8="]
    assert told[-2] == {"type": "value", "name": "secret", "status": "value"}
