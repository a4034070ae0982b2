"""What clients are told when the executor's disk fails under it."""

import shutil

import pytest
from websockets.exceptions import ConnectionClosed

from farcell_protocol.frames import End
from farcell_protocol.messages import api
from tests.fakes.far_node import play
from tests.unit.executor.service import Service, request


async def test_runs_whose_directory_was_deleted_end_with_a_reason_and_whoever_follows_is_told(service: Service):
    first, second = request(play("one\n")), request(play("two\n"))
    async with service.stream() as client:
        await client.say(api.Submit(first))
        await client.until_ended(first.run)
        shutil.rmtree(service.executor.settings.places.run_logs)
        await client.say(api.Submit(second))
        heard = await client.until_ended(second.run)
    assert heard.views[-1].outcome == "lost"
    assert heard.views[-1].reason is not None
    assert heard.views[-1].reason.code == "disk-failed"
    assert heard.frames == [End("lost", heard.views[-1].reason)]


async def test_a_client_that_cannot_be_told_its_news_loses_its_link_rather_than_wait(service: Service):
    asked = request()

    def fails(*_: object) -> None:
        raise ZeroDivisionError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service.executor.views, "run", fails)  # whatever nobody has thought of
        async with service.stream() as client:
            await client.say(api.Submit(asked))
            with pytest.raises(ConnectionClosed) as closed:
                await client.hear()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1011, "the executor failed: ZeroDivisionError")
