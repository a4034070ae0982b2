"""Nothing is lost, whatever dies on the way: each part is killed with -9 in the middle of a cell."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from farcell_executor.checkpoints import CHECKPOINTS
from tests.fakes.proxy import Proxy
from tests.fakes.waiting import eventually, is_running
from tests.system.installation import Installation
from tests.system.notebooks import Notebook, Shown, notebook

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

LINES = 10_000
COUNTING = f"""
import os, time
with open("ran.txt", "a") as file: print(os.getpid(), file=file)
for i in range(1, {LINES} + 1):
    print(i)
    time.sleep(0.0005)
total = i
"""
EVERY_LINE = "".join(f"{i}\n" for i in range(1, LINES + 1))


def printed(count: int):
    """Whether the cell has printed `count` lines."""
    return lambda shown: shown.text.count("\n") >= count


def workers_that_ran(folder: Path) -> list[int]:
    """The pids (in their own namespaces) of the workers that began the counting cell in this folder."""
    return [int(line) for line in (folder / "ran.txt").read_text().split()]


def continue_to_the_end(kernel: Notebook, request: str, shown: Shown) -> Shown:
    """The rest of the counting cell; it must have shown each line once, in order, and returned its value."""
    shown = kernel.finish(request, shown=shown, timeout_s=90)
    assert shown.status == "ok", shown.error
    assert shown.text == EVERY_LINE
    assert kernel.ok("total").result == str(LINES)
    return shown


def test_each_line_arrives_once_over_a_connection_that_is_cut_every_second(home: Installation, tmp_path: Path):
    home.start("up", "--port", "0")
    eventually(lambda: home.places.token_file.exists() and home.address(), "the executor listens")
    with (
        Proxy(("127.0.0.1", int(home.address().rpartition(":")[2]))) as proxy,
        notebook(home.environment, tmp_path) as kernel,
    ):
        kernel.ok(f"%gpu connect {proxy.url} --token-file {home.places.token_file}")
        request = kernel.send(f"%%gpu cpu\n{COUNTING}")
        shown = Shown()
        for lines in range(1000, LINES, 1000):
            kernel.finish(request, until=printed(lines), shown=shown)
            proxy.cut()
        continue_to_the_end(kernel, request, shown)
        assert proxy.connections > 5


def test_a_new_kernel_attaches_to_the_run_of_a_killed_one(home: Installation, tmp_path: Path):
    with notebook(home.environment, tmp_path) as kernel:
        request = kernel.send(f"%%gpu cpu\n{COUNTING}")
        kernel.finish(request, until=printed(500))
        kernel.kill()
    with notebook(home.environment, tmp_path) as kernel:
        shown = kernel.ok("%gpu attach", timeout_s=90)
        assert shown.text == EVERY_LINE
        assert kernel.ok("total").result == str(LINES)
    assert len(workers_that_ran(tmp_path)) == 1


def test_a_killed_executor_is_started_again_and_the_same_worker_goes_on(
    home: Installation, kernel: Notebook, tmp_path: Path
):
    request = kernel.send(f"%%gpu cpu\n{COUNTING}")
    shown = kernel.finish(request, until=printed(500))
    killed, keeper = home.executor_pid, home.keeper_pid
    os.kill(killed, signal.SIGKILL)
    continue_to_the_end(kernel, request, shown)
    assert home.executor_pid != killed
    assert home.keeper_pid == keeper
    assert len(workers_that_ran(tmp_path)) == 1


def test_a_killed_agent_is_started_again_and_the_same_worker_goes_on(tmp_path: Path, home: Installation):
    from tests.system.installation import installation

    home.start("up", "--port", "0")
    eventually(lambda: home.places.token_file.exists() and home.address(), "the executor listens")
    token = tmp_path / "agent-token"
    token.write_bytes(home.farcell("token", "create", "--scope", "agent", "--user", "a-gpu-host", "--quiet").stdout)
    with installation(tmp_path / "host") as host:
        join = (
            "agent",
            "--join",
            home.address(),
            "--token-file",
            str(token),
            "--simulate",
            "A100",
            "--name",
            "gpu-host",
        )
        agent = host.start(*join)
        with notebook(home.environment, tmp_path) as kernel:
            kernel.ok(f"%gpu connect {home.address()} --token-file {home.places.token_file}")
            eventually(lambda: b"A100" in home.farcell("status").stdout, "the agent has joined")
            counting = COUNTING.replace("ran.txt", str(tmp_path / "ran.txt"))
            request = kernel.send(f"%%gpu A100\n{counting}")
            shown = kernel.finish(request, until=printed(500))
            keeper = host.agent_keeper_pid
            agent.kill()
            agent.wait(10)
            host.start(*join)
            continue_to_the_end(kernel, request, shown)
            assert host.agent_keeper_pid == keeper
            assert len(workers_that_ran(tmp_path)) == 1
            # An agent that leaves lets its workers run on: the session has to be stopped first.
            kernel.ok("%gpu stop --all")


def test_a_killed_keeper_ends_its_runs_with_a_reason_and_the_next_cell_works(home: Installation, kernel: Notebook):
    kernel.ok("%gpu simulate H100")
    request = kernel.send(f"%%gpu H100\n{COUNTING}")
    shown = kernel.finish(request, until=printed(500))
    keeper = home.keeper_pid
    os.kill(keeper, signal.SIGKILL)
    shown = kernel.finish(request, shown=shown, timeout_s=15)
    assert shown.status == "error"
    assert "keeper-lost" in shown.error
    assert EVERY_LINE.startswith(shown.text)
    assert kernel.ok("%%gpu H100\nprint('again')").text == "again\n"
    assert home.keeper_pid != keeper


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_an_executor_killed_between_two_steps_leaves_one_worker_or_none(
    home: Installation, tmp_path: Path, checkpoint: str
):
    first = home.start("up", "--socket", FARCELL_FAULT_AT=checkpoint)
    eventually(lambda: home.places.executor_socket.exists(), "the executor listens")
    with notebook(home.environment, tmp_path) as kernel:
        request = kernel.send(
            "%%gpu cpu\nimport os\nwith open('ran.txt', 'a') as f: print(os.getpid(), file=f)\nprint('done')"
        )
        shown = kernel.finish(request, timeout_s=30, until=lambda _: first.poll() is not None)
        with suppress(subprocess.TimeoutExpired):
            first.wait(5)
        assert first.returncode == -signal.SIGKILL, f"the cell: {shown.status or 'runs'}: {shown.error or shown.text}"
        if not shown.status:
            shown = kernel.finish(request, shown=shown)
        assert (shown.status, shown.text) == ("ok", "done\n"), shown.error
        assert len(workers_that_ran(tmp_path)) == 1
        # Where the end had arrived before, the cell needed no other executor; asking for something does.
        kernel.ok("%gpu sessions")
        eventually(lambda: len(home.worker_pids()) == 1, "the next executor has adopted the one worker")
        assert all(is_running(pid) for pid in home.worker_pids())
