"""The keeper with the real zygote and worker: forked, isolated, stopped, killed, out of memory, without a zygote."""

import os
import signal
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from farcell_protocol.frames import Message
from farcell_protocol.ids import RunId, WorkerId, new_run_id
from farcell_protocol.messages import keeping as k
from farcell_protocol.messages.cells import Cell, encode_cell
from farcell_protocol.places import Places
from tests.fakes.keeper_agent import Agent, Got, KeeperProcess
from tests.fakes.waiting import eventually, is_running

PYTHON = ".".join(map(str, sys.version_info[:3]))
SPEC = k.ProcessSpec(sys.executable, "/")
MiB = 2**20


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeeperProcess]:
    folder = tmp_path_factory.mktemp("keeper")
    keeper = KeeperProcess(Places(folder / "data", folder / "run"))
    yield keeper
    keeper.end()


@pytest.fixture
def agent(keeper: KeeperProcess) -> Agent:
    return keeper.agent()


@pytest.fixture
def worker(agent: Agent) -> Iterator[WorkerId]:
    worker = agent.launch(SPEC)
    yield worker
    agent.send(k.Stop(worker, 0, None))


def execute(agent: Agent, worker: WorkerId, source: str) -> RunId:
    run = new_run_id()
    agent.send(k.Execute(worker, run, encode_cell(Cell(source, PYTHON))))
    return run


def last_result(got: Got) -> str:
    return [f.content["data"]["text/plain"] for f in got.frames if isinstance(f, Message) and "data" in f.content][-1]


def test_a_cell_runs_in_a_forked_worker_in_a_namespace_of_its_own(agent: Agent, worker: WorkerId) -> None:
    got = agent.ended(execute(agent, worker, "print('far'); import os; os.getpid()"))
    report = agent.workers[worker]
    assert (got.text, got.end.outcome) == ("far\n", "ok")
    assert (report.started_by, report.fallback) == ("fork", "")
    if report.isolation == "namespaces":
        assert int(last_result(got)) == 2
        assert report.pid_namespace != os.stat("/proc/self/ns/pid").st_ino
    assert is_running(report.pid or 0)


@pytest.mark.parametrize(
    ("source", "code", "fields"),
    [
        ("import os; os._exit(3)", "worker-exited", {"exit_code": 3}),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "worker-killed", {"signal": 11}),
        ("import ctypes; ctypes.string_at(0)", "worker-killed", {"signal": 11}),
        ("import os, signal; os.kill(os.getppid(), signal.SIGKILL); import time; time.sleep(0.1); os._exit(5)", "", {}),
    ],
)
def test_a_cell_that_ends_its_worker_says_so_after_what_it_printed(
    agent: Agent, worker: WorkerId, source: str, code: str, fields: dict[str, object]
) -> None:
    got = agent.ended(execute(agent, worker, f"print('before', flush=True)\n{source}"))
    agent.exited(worker)
    assert got.text == "before\n"
    assert got.end.outcome == "lost"
    if code:
        assert got.reason.code == code
        assert got.reason.fields.items() >= fields.items()


def test_an_interrupt_ends_the_cell_and_not_the_session(agent: Agent, worker: WorkerId) -> None:
    agent.ended(execute(agent, worker, "x = 41"))
    run = execute(agent, worker, "print('on', flush=True)\nwhile True: pass")
    agent.said(run, "on")
    agent.send(k.SendInterrupt(worker, run))
    assert agent.ended(run).end.outcome in ("error", "cancelled")
    assert last_result(agent.ended(execute(agent, worker, "x + 1"))) == "42"


def test_a_stop_takes_everything_a_cell_started(agent: Agent, keeper: KeeperProcess, worker: WorkerId) -> None:
    before = set(keeper.below())
    source = """
        import signal, subprocess, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        children = [subprocess.Popen(["sleep", "1000"], start_new_session=True) for _ in range(3)]
        print("started", flush=True)
        while True:
            try:
                time.sleep(1000)
            except KeyboardInterrupt:
                pass
    """
    run = execute(agent, worker, textwrap.dedent(source))
    agent.said(run, "started")
    during = set(keeper.below())
    agent.send(k.SendInterrupt(worker, run), k.Stop(worker, 0.1, None))
    agent.ended(run)
    assert agent.exited(worker).expected
    eventually(lambda: not any(map(is_running, during - before)), "all that the cell started has ended")


def test_a_cell_over_the_memory_limit_is_told_the_numbers(agent: Agent, keeper: KeeperProcess) -> None:
    if "workers get cgroups" not in keeper.log:
        pytest.skip("no writable memory cgroup here: " + keeper.log.splitlines()[0])
    worker = agent.launch(msgspec.structs.replace(SPEC, memory_bytes=200 * MiB))
    got = agent.ended(execute(agent, worker, "hoard = [b'x' * 2**20 for _ in range(1000)]"))
    assert got.reason.code == "out-of-memory"
    assert got.reason.fields["limit_bytes"] == 200 * MiB


def test_a_killed_zygote_costs_its_workers_nothing_and_the_next_one_little(
    agent: Agent, keeper: KeeperProcess, worker: WorkerId
) -> None:
    agent.ended(execute(agent, worker, "x = 1"))
    zygotes = [
        pid for pid in keeper.below() if b"farcell_worker.zygote" in command_of(pid) and parent_of(pid) == keeper.pid
    ]
    supervisor = parent_of(agent.workers[worker].pid or 0)
    zygote = next(pid for pid in zygotes if pid != supervisor and os.getpgid(pid) == pid)
    os.kill(zygote, signal.SIGKILL)
    eventually(lambda: not is_running(zygote), "the zygote has ended")
    assert last_result(agent.ended(execute(agent, worker, "x + 1"))) == "2"
    second = agent.launch(SPEC)
    assert last_result(agent.ended(execute(agent, second, "6 * 7"))) == "42"
    assert "SIGKILL" in agent.workers[second].fallback
    assert agent.workers[second].started_by == "fresh"
    agent.send(k.Stop(second, 0, None))
    assert agent.exited(second).expected


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
