"""Agents that come, go, stall, take over and talk nonsense: no frame is lost or doubled, and the keeper stays."""

import os
import socket
from collections.abc import Callable

import msgspec
import pytest

from farcell_protocol.frames import End
from farcell_protocol.framing import encode
from farcell_protocol.ids import RunId, new_run_id, new_worker_id
from farcell_protocol.messages import keeping as k
from farcell_protocol.version import PROTOCOL
from tests.fakes.keeper_agent import Agent, Got, KeeperProcess
from tests.fakes.waiting import eventually

MiB = 2**20


def test_an_agent_cut_every_few_frames_gets_each_line_once_in_order(
    keeper: KeeperProcess, agent: Agent, spec: k.ProcessSpec
) -> None:
    worker = agent.launch(spec)
    run = agent.execute(worker, ["lines", 2000, 20])
    runs: dict[RunId, Got] = agent.runs
    runs[run] = got = Got()
    cuts = 0
    while not got.receiver.ended:
        have = got.receiver.last
        while got.receiver.last == have:
            assert agent.read(size=1000)
        agent.close()
        agent = keeper.agent(runs)
        cuts += 1
        have = got.receiver.last
        agent.send(k.Ack(run, have), k.Resume(run, have))
    assert [line for line in got.text.split(".") if line] == [str(n) for n in range(2000)]
    assert got.end == End("ok")
    assert cuts > 10


def test_a_new_agent_is_told_everything_and_asks_for_what_it_lacks(
    keeper: KeeperProcess, agent: Agent, spec: k.ProcessSpec
) -> None:
    worker = agent.launch(spec)
    run = agent.execute(worker, ["lines", 10, 5], ["until_interrupted"])
    agent.said(run, "waiting")
    ready = agent.workers[worker]
    second = keeper.agent()
    assert second.welcome is not None
    assert second.welcome.workers == [ready]
    assert second.welcome.runs == [k.RunReport(run, worker, last=11, acknowledged=0, ended=False)]
    assert agent.closed()
    second.send(k.Resume(run, 7))
    second.send(k.SendInterrupt(worker, run))
    second.runs[run] = Got()
    second.runs[run].receiver.last = 7
    assert second.ended(run).text == "7....8....9....waitinginterrupted"


def test_nothing_flows_of_an_older_run_until_it_is_asked_for(
    keeper: KeeperProcess, agent: Agent, spec: k.ProcessSpec
) -> None:
    worker = agent.launch(spec)
    old = agent.execute(worker, ["say", "old"])
    agent.ended(old)
    second = keeper.agent()
    new = second.execute(worker, ["say", "new"])
    assert second.ended(new).text == "new"
    assert old not in second.runs


def test_a_worker_may_end_while_no_agent_is_there(keeper: KeeperProcess, agent: Agent, spec: k.ProcessSpec) -> None:
    worker = agent.launch(spec)
    pid = agent.ready(worker).pid
    run = agent.execute(worker, ["lines", 500, 100], ["leave", 3])
    agent.close()
    eventually(lambda: not os.path.exists(f"/proc/{pid}"), "the worker has left")
    second = keeper.agent()
    second.exited(worker)
    second.send(k.Resume(run, 0))
    assert len(second.ended(run).frames) == 501
    assert second.runs[run].reason.code == "worker-exited"


def test_an_acknowledged_end_drops_the_spool(keeper: KeeperProcess, agent: Agent, spec: k.ProcessSpec) -> None:
    worker = agent.launch(spec)
    run = agent.execute(worker, ["say", "x"])
    agent.ended(run)
    assert len(list(keeper.places.spool.iterdir())) == 1
    agent.send(k.Ack(run, 2), k.Resume(run, 0))
    assert agent.refusal().error.code == "not-found"
    assert list(keeper.places.spool.iterdir()) == []
    assert agent.greet().runs == []
    agent.send(k.Execute(worker, run, b'[["say", "again"]]'))
    agent.ended(agent.execute(worker, ["say", "y"]))
    assert len(agent.runs[run].frames) == 2


def test_resuming_before_what_was_acknowledged_is_a_gap(agent: Agent, spec: k.ProcessSpec) -> None:
    worker = agent.launch(spec)
    run = agent.execute(worker, ["lines", 10, 5], ["wait"])
    agent.said(run, "waiting")
    agent.send(k.Ack(run, 5), k.Resume(run, 3))
    refused = agent.refusal()
    assert (refused.error.code, refused.run) == ("stream-gap", run)


def test_an_agent_that_stalls_costs_no_memory_and_holds_no_worker_up(
    keeper: KeeperProcess, agent: Agent, spec: k.ProcessSpec
) -> None:
    worker = agent.launch(spec)
    agent.ended(agent.execute(worker, ["lines", 2000, 1000]))
    before = keeper.resident_bytes()
    run = agent.execute(worker, ["lines", 200, MiB])
    spool = keeper.places.spool / f"{run}.log"
    eventually(lambda: spool.exists() and spool.stat().st_size > 200 * MiB, "all of it is spooled", 50)
    stalled = keeper.resident_bytes() - before
    got = agent.ended(run)
    read = keeper.resident_bytes() - before
    print(f"grown by {stalled / MiB:.1f} MiB while the agent stalled, {read / MiB:.1f} MiB after it read all")
    assert len(got.frames) == 201
    assert stalled < 12 * MiB
    assert read < 16 * MiB


def test_a_stalled_agent_hears_of_an_exit_after_the_frames_before_it(agent: Agent, spec: k.ProcessSpec) -> None:
    worker = agent.launch(spec)
    agent.ready(worker)
    run = agent.execute(worker, ["lines", 100, 100_000], ["leave", 3])
    agent.exited(worker)
    assert len(agent.runs[run].frames) == 101
    assert agent.order == ["ready", "end", "exited"]


def test_control_overtakes_output_that_waits(agent: Agent, spec: k.ProcessSpec) -> None:
    worker = agent.launch(spec)
    agent.ready(worker)
    run = agent.execute(worker, ["lines", 200, 100_000], ["wait"])
    agent.send(k.Resume(new_run_id(), 0))
    agent.refusal()
    assert run not in agent.runs or len(agent.runs[run].frames) < 150
    agent.send(k.Stop(worker, 0, None))
    agent.exited(worker)


@pytest.mark.parametrize("piece", [b"", b"\0", b"\0\0\1\0half a record", encode(k.Quit())[:-1]])
def test_somebody_who_connects_and_says_nothing_whole_holds_nobody_up(
    keeper: KeeperProcess, spec: k.ProcessSpec, piece: bytes
) -> None:
    for _ in range(40):
        stranger = keeper.stranger()
        stranger.sock.sendall(piece)
    agent = keeper.agent()
    assert agent.ended(agent.execute(agent.launch(spec), ["say", "x"])).text == "x"


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\xff\xff\xff\xff",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\0\0\0\1\xc1",
        b"\0\0\0\0",
        encode(k.WarmUp("/bin/true")),
        encode(k.Frames(RunId("r-x"), 1, [])),
        b"\0\0\0\7" + msgspec.msgpack.encode({"type": 1}),
    ],
)
def test_nonsense_is_answered_or_cut_off_and_the_agent_unharmed(
    keeper: KeeperProcess, agent: Agent, nonsense: bytes
) -> None:
    stranger = keeper.stranger()
    stranger.sock.sendall(nonsense)
    assert stranger.closed()
    assert agent.greet().pid == keeper.pid


@pytest.mark.parametrize("worker", ["", "w-1", "../../etc/passwd", "w-" + "0" * 13, "x" * 10_000, "w-\0aaaaaaaaaaa"])
def test_an_id_of_another_form_is_refused_before_it_names_anything(
    keeper: KeeperProcess, agent: Agent, spec: k.ProcessSpec, worker: str
) -> None:
    agent.send(msgspec.structs.replace(k.Launch(new_worker_id(), spec), worker=worker))
    assert agent.refusal().error.code == "bad-request"
    good = agent.launch(spec)
    agent.send(k.Execute(good, RunId(worker.replace("w", "r")), b"[]"))
    assert agent.refusal().error.code == "bad-request"
    assert list(keeper.places.spool.iterdir()) == []


def test_what_is_unknown_is_refused_by_name(agent: Agent) -> None:
    worker, run = new_worker_id(), new_run_id()
    for message in (
        k.Execute(worker, run, b"[]"),
        k.Stop(worker, 1.0),
        k.SendInterrupt(worker, run),
    ):
        agent.send(message)
        refused = agent.refusal()
        assert (refused.error.code, refused.worker) == ("not-found", worker)
    agent.send(k.Ack(run, 7), k.Forget(worker))
    agent.greet()
    assert agent.refused == []


def test_a_live_worker_is_not_forgotten(agent: Agent, spec: k.ProcessSpec) -> None:
    worker = agent.launch(spec)
    agent.send(k.Forget(worker))
    assert agent.refusal().error.code == "bad-request"
    agent.ready(worker)


def test_a_version_we_do_not_speak_is_refused_and_the_agent_stays(keeper: KeeperProcess, agent: Agent) -> None:
    stranger = keeper.stranger()
    stranger.send(k.Greet(PROTOCOL + 9, PROTOCOL + 5, 1))
    assert stranger.refusal().error.code == "version-mismatch"
    assert stranger.closed()
    agent.greet()


def test_the_socket_and_the_folders_are_private(keeper: KeeperProcess) -> None:
    places = keeper.places
    assert places.keeper_socket.stat().st_mode & 0o777 == 0o600
    for folder in (places.data, places.runtime, places.spool):
        assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_is_sent_away(keeper: KeeperProcess) -> None:
    for folder in (keeper.places.runtime, *keeper.places.runtime.parents):
        if "/pytest-of-" in str(folder):
            folder.chmod(0o755)
    keeper.places.keeper_socket.chmod(0o666)
    pid = os.fork()
    if pid == 0:
        refused = False
        try:
            os.setuid(65534)
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(keeper.places.keeper_socket))
                refused = b"forbidden" in sock.recv(4096)
        finally:
            os._exit(0 if refused else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_idle_agents_are_taken_over_by_whoever_greets_last(keeper: KeeperProcess) -> None:
    agents = [keeper.agent() for _ in range(20)]
    assert all(agent.closed() for agent in agents[:-1])
    agents[-1].greet()


def test_the_keeper_takes_a_moment_without_descriptors(
    start_keeper: Callable[..., KeeperProcess], spec: k.ProcessSpec
) -> None:
    keeper = start_keeper()
    agent = keeper.agent()
    import resource

    resource.prlimit(keeper.pid, resource.RLIMIT_NOFILE, (keeper.descriptors() + 1, 4096))
    worker = agent.launch(spec)
    agent.exited(worker)
    resource.prlimit(keeper.pid, resource.RLIMIT_NOFILE, (4096, 4096))
    assert agent.ended(agent.execute(agent.launch(spec), ["say", "again"])).text == "again"
