"""An embedded agent whose data directory is deleted: its executor leaves, and it must not make a keeper there."""

import asyncio
import logging
import sys

import pytest

from farcell_agent.keeper_client import KeeperClient
from farcell_protocol.places import Places


async def test_no_keeper_is_started_where_the_directory_is_not_ours_any_more(
    where: Places, caplog: pytest.LogCaptureFixture
):
    client = KeeperClient(where, sys.executable, log=logging.getLogger("farcell_agent"), may_start=lambda: False)
    opening = asyncio.create_task(client.open())
    try:
        async with asyncio.timeout(10):
            while "nothing is started there" not in caplog.text:  # noqa: ASYNC110  # a log wakes nobody
                await asyncio.sleep(0)
    finally:
        opening.cancel()
        await asyncio.wait({opening})
    assert not where.keeper_lock.exists()
