"""The client against the real executor: started by it, cut off from it, killed under it."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from farcell.client import Client
from farcell.config import target
from farcell.embedded import find
from farcell.follow import Batch, Changed, Event, Follower, LinkDown, LinkUp
from farcell_host.target import Target
from farcell_protocol.errors import ExecutorUnreachable, NotFound, Unauthorized
from farcell_protocol.frames import End, Message
from farcell_protocol.ids import new_run_id
from farcell_protocol.messages.api import Interpreter, RunRequest
from farcell_protocol.messages.cells import Cell, encode_cell
from tests.fakes.proxy import Proxy

HERE = Interpreter(sys.executable, ".".join(map(str, sys.version_info[:3])))


def request(source: str) -> RunRequest:
    payload = encode_cell(Cell(source, HERE.version))
    return RunRequest(new_run_id(), payload, HERE, gpu="cpu", notebook="test", cwd="/")


def to_the_end(follower: Follower) -> list[Event]:
    seen: list[Event] = []
    while not (seen and isinstance(seen[-1], Changed) and seen[-1].view.state == "ended"):
        event = follower.next(30)
        assert event is not None
        seen.append(event)
    return seen


def text_of(seen: list[Event]) -> str:
    frames = [frame for event in seen if isinstance(event, Batch) for frame in event.frames]
    assert isinstance(frames[-1], End)
    return "".join(
        frame.content["text"] for frame in frames if isinstance(frame, Message) and frame.msg_type == "stream"
    )


def wait_for_text(follower: Follower) -> None:
    while not isinstance(follower.next(30), Batch):
        pass


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of an embedded executor's users."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FARCELL_DATA", str(tmp_path_factory.mktemp("data")))
        for name in ("FARCELL_URL", "FARCELL_TOKEN", "XDG_RUNTIME_DIR"):
            patch.delenv(name, raising=False)
        yield dict(os.environ)
        with Client(target(os.environ)) as client:
            client.stop()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                find(os.environ)
            except ExecutorUnreachable:
                break


@pytest.fixture
def client(executor: dict[str, str]) -> Iterator[Client]:
    with Client(target(executor)) as made:
        yield made


def test_a_cell_runs_and_its_output_comes_back(client: Client) -> None:
    seen = to_the_end(client.submit(request("print('far')")))
    assert text_of(seen) == "far\n"
    states = [event.view.state for event in seen if isinstance(event, Changed)]
    assert states[-2:] == ["running", "ended"]


def test_the_plain_routes_answer_in_our_structs(client: Client) -> None:
    run = to_the_end(client.submit(request("print('kept')")))[-1]
    assert isinstance(run, Changed)
    assert client.status().pid is not None
    assert client.run(run.view.run) == run.view
    assert client.output(run.view.run) == b"kept\n"
    assert run.view.run in [view.run for view in client.runs()]
    session = client.session(run.view.session)
    assert session.session in [view.session for view in client.sessions()]
    assert [node.embedded for node in client.nodes()] == [True]
    assert [device.model for device in client.simulate("H100:2")] == ["H100", "H100"]
    with pytest.raises(NotFound):
        client.run(new_run_id())


def test_output_is_whole_over_a_link_that_is_cut_all_the_time(client: Client, tmp_path: Path) -> None:
    client.connect()
    real = find(os.environ)
    assert real.socket_path is not None
    with Proxy(Path(real.socket_path), tmp_path / "p") as proxy:
        proxy.cut_every_bytes = 1800
        with Client(Target(proxy.url, real.token, embedded=False)) as cut_off:
            seen = to_the_end(
                cut_off.submit(request("import time\nfor n in range(200):\n    print(n); time.sleep(0.005)"))
            )
        assert text_of(seen) == "".join(f"{n}\n" for n in range(200))
        assert proxy.cuts > 1


def test_a_killed_executor_is_started_again_and_the_run_goes_on(client: Client) -> None:
    follower = client.submit(request("import time\nfor n in range(60):\n    print(n, flush=True); time.sleep(0.05)"))
    wait_for_text(follower)
    pid = client.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    seen = to_the_end(follower)
    links = [type(event) for event in seen if isinstance(event, LinkDown | LinkUp)]
    assert links == [LinkDown, LinkUp]
    assert client.status().pid != pid
    assert client.output(follower.run) == "".join(f"{n}\n" for n in range(60)).encode()
    assert text_of(seen).endswith("58\n59\n")


def test_an_interrupt_reaches_the_code(client: Client) -> None:
    follower = client.submit(request("print('begun', flush=True)\nimport time\ntime.sleep(60)"))
    wait_for_text(follower)
    client.interrupt(follower.run)
    end = to_the_end(follower)[-1]
    assert isinstance(end, Changed)
    assert end.view.outcome == "error"


def test_an_interrupt_at_once_does_not_lose_its_run(client: Client) -> None:
    follower = client.submit(request("import time\ntime.sleep(60)"))
    client.interrupt(follower.run)
    if client.submit(request("1")).next(30) is not None:
        client.cancel(follower.run)
    assert isinstance(to_the_end(follower)[-1], Changed)


def test_a_wrong_token_is_unauthorized(client: Client) -> None:
    client.connect()
    real = find(os.environ)
    with Client(Target(real.url, "t-000000000000.wrong", embedded=False)) as stranger:
        for ask in (stranger.connect, stranger.status):
            with pytest.raises(Unauthorized):
                ask()
