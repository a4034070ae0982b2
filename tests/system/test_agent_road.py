"""Agent, keeper and worker, all real: a cell through the in-process link, and the agent as a process of its own."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from farcell_agent.keeper import KEEPER_COMMAND, dismiss_keeper, start_keeper
from farcell_protocol.errors import ErrorInfo
from farcell_protocol.ids import RunId, WorkerId, new_run_id
from farcell_protocol.messages.cells import Cell, encode_cell
from farcell_protocol.messages.keeping import Ack, Execute, Forget, Resume, SendInterrupt, Stop, WorkerChanged
from farcell_protocol.places import Places
from tests.fakes.executor_end import Executor, embedded
from tests.fakes.executor_server import TOKEN, fake_executor
from tests.fakes.nodes import eventually, keepers_of, node_folder

PYTHON = ".".join(map(str, sys.version_info[:3]))


@pytest.fixture
def where(tmp_path: Path) -> Iterator[Places]:
    with node_folder(tmp_path / "data") as made:
        yield made


async def cell(executor: Executor, worker: WorkerId, source: str) -> RunId:
    run = new_run_id()
    await executor.link.send(Execute(worker, run, encode_cell(Cell(source, PYTHON))))
    return run


async def test_cells_run_in_a_worker_that_outlives_the_executor_and_ends_when_stopped(where: Places, tmp_path: Path):
    start_keeper(where, sys.executable)
    async with embedded(where, simulate="H100", keeper_command=KEEPER_COMMAND) as executor:
        devices = [device.device for device in executor.hello.devices]
        worker = await executor.ready(devices=devices, cwd=str(tmp_path))
        source = "import os\nx = 20\nprint(os.getcwd(), repr(os.environ['CUDA_VISIBLE_DEVICES']))"
        assert await executor.text(await cell(executor, worker, source)) == f"{tmp_path} ''\n"
        left = await cell(executor, worker, "print('left behind', x + 1)")
    async with embedded(where, keeper_command=KEEPER_COMMAND) as executor:
        assert [report.worker for report in executor.hello.workers] == [worker]
        await executor.link.send(Resume(left, 0))
        assert await executor.text(left) == "left behind 21\n"
        sleeping = await cell(executor, worker, "print('begun', flush=True)\nimport time\ntime.sleep(60)")
        await executor.text_until(sleeping, "begun\n")
        await executor.link.send(SendInterrupt(worker, sleeping))
        await executor.text(sleeping)
        await executor.link.send(Stop(worker, 1.0, ErrorInfo("cancelled", "enough")))
        assert (await executor.next(WorkerChanged)).report.state == "exited"
        for run, n in ((left, 9), (sleeping, 9)):
            await executor.link.send(Ack(run, n))
        await executor.link.send(Forget(worker))
    await eventually(lambda: not keepers_of(where), "the keeper left, having nothing to keep")


async def test_a_separate_agent_that_is_killed_or_told_to_leave_keeps_its_workers(where: Places, tmp_path: Path):
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    async with fake_executor() as executor:
        with agent_process(where, executor.url, token) as process:
            agent = await executor.agent()
            worker = await agent.ready()
            assert await agent.text(await cell(agent, worker, "x = 1; print(x)")) == "1\n"
            process.kill()
        with agent_process(where, executor.url, token) as process:
            again = await executor.agent()
            assert [report.worker for report in again.hello.workers] == [worker]
            assert again.hello.node == agent.hello.node
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        with agent_process(where, executor.url, token):
            third = await executor.agent()
            assert await third.text(await cell(third, worker, "print(x + 1)")) == "2\n"
            second = await asyncio.to_thread(said_by, agent_command(where, executor.url, token))
            assert second.returncode == 1
            assert "another agent (pid" in second.stderr
    dismiss_keeper(where, once_idle=True)


async def test_a_separate_agent_with_nothing_left_takes_its_keeper_along(where: Places, tmp_path: Path):
    token = tmp_path / "token"
    token.write_text(TOKEN)
    async with fake_executor() as executor:
        with agent_process(where, executor.url, token) as process:
            agent = await executor.agent()
            assert agent.hello.keeper_pid in keepers_of(where)  # a zygote just forked looks like one, too
            assert [device.simulated for device in agent.hello.devices if device.model == "A100"] == [True]
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
    await eventually(lambda: not keepers_of(where), "the keeper left")


def test_a_separate_agent_without_a_token_says_what_it_needs(where: Places):
    command = [word for word in agent_command(where, "http://127.0.0.1:9", Path()) if word not in ("--token-file", ".")]
    environment = {name: value for name, value in os.environ.items() if name != "FARCELL_JOIN_TOKEN"}
    said = said_by(command, env=environment)
    assert (said.returncode, said.stderr) == (
        1,
        "farcell agent: FARCELL_JOIN_TOKEN (there is no --token-file) holds no token\n",
    )


def said_by(command: list[str], **options: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False, **options)


def agent_command(where: Places, url: str, token: Path) -> list[str]:
    options = ["--token-file", str(token), "--data", str(where.data), "--simulate", "A100"]
    return [sys.executable, "-m", "farcell_agent", "--join", url, *options]


@contextmanager
def agent_process(where: Places, url: str, token: Path) -> Iterator["subprocess.Popen[bytes]"]:
    environment = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"}
    process = subprocess.Popen(agent_command(where, url, token), env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)
