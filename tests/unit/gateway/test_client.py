"""The client against a small real server, over links that break."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import pytest

from farcell import dial, follow
from farcell.client import Client
from farcell.follow import HELD_BYTES, Batch, Changed, Event, Follower, LinkDown, LinkUp
from farcell_host.target import Target
from farcell_protocol.errors import (
    ExecutorUnreachable,
    MessageTooLarge,
    NoDeviceFits,
    NotFound,
    Unauthorized,
    Unavailable,
    VersionMismatch,
)
from farcell_protocol.frames import End, Heard, Message
from farcell_protocol.ids import RunId, new_run_id
from farcell_protocol.messages import api
from farcell_protocol.messages.cells import InputReply
from tests.fakes.executor import TOKEN, Executor, Served, play
from tests.fakes.proxy import Proxy

WAIT_S = 20.0


def request(*, gpu: str = "", **what: object) -> api.RunRequest:
    return api.RunRequest(new_run_id(), play(**what), api.Interpreter("python", "3.11.7"), gpu=gpu)


def events(follower: Follower) -> Iterator[Event]:
    """Everything until the end."""
    while True:
        event = follower.next(WAIT_S)
        assert event is not None, f"nothing for {WAIT_S} s after frame {follower.last}"
        yield event
        if isinstance(event, Changed) and event.view.state == "ended":
            return


def numbers(seen: list[Event]) -> list[int]:
    """The numbers that were printed, checked against the frames' own; the end must have come last."""
    frames = [
        (batch.first + n, frame) for batch in seen if isinstance(batch, Batch) for n, frame in enumerate(batch.frames)
    ]
    assert isinstance(frames[-1][1], End)
    printed = [(n, int(frame.content["text"].strip(".\n"))) for n, frame in frames if isinstance(frame, Message)]
    assert all(n == line for n, line in printed)
    return [line for _, line in printed]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def executor() -> Executor:
    return Executor()


@pytest.fixture
def served(executor: Executor, closing: ExitStack) -> Served:
    return closing.enter_context(Served(executor))


@pytest.fixture
def proxy(served: Served, closing: ExitStack) -> Proxy:
    return closing.enter_context(Proxy(("127.0.0.1", served.port)))


@pytest.fixture
def connect(closing: ExitStack) -> Callable[[str], Client]:
    return lambda url: closing.enter_context(Client(Target(url, TOKEN, embedded=False)))


Connect = Callable[[str], Client]


def test_a_run_yields_its_states_and_frames_and_then_nothing(served: Served, connect: Connect) -> None:
    follower = connect(served.url).submit(request(lines=3))
    seen = list(events(follower))
    assert [type(event) for event in seen] == [Changed, Batch, Changed]
    assert numbers(seen) == [1, 2, 3]
    assert follower.last == 4
    with pytest.raises(Unavailable, match="no longer followed"):
        follower.next(0)


def test_over_a_unix_socket_it_is_the_same(tmp_path: Path, connect: Connect) -> None:
    with Served(Executor(), tmp_path / "s") as served:
        client = connect(served.url)
        assert numbers(list(events(client.submit(request(lines=3))))) == [1, 2, 3]
        assert client.status().version == "0.1.0"


def test_every_line_comes_once_and_in_order_however_often_the_link_is_cut(
    executor: Executor, proxy: Proxy, connect: Connect
) -> None:
    executor.frames_at_once = 7
    proxy.cut_every_bytes = 9000
    seen = list(events(connect(proxy.url).submit(request(lines=2000))))
    assert numbers(seen) == list(range(1, 2001))
    assert proxy.cuts > 5
    downs = [type(event) for event in seen if isinstance(event, LinkDown | LinkUp)]
    assert downs == [LinkDown, LinkUp] * (len(downs) // 2)
    assert [run.times_executed for run in executor.runs.values()] == [1]


def test_output_goes_on_after_the_executor_died_and_came_back(executor: Executor, connect: Connect) -> None:
    first = Served(executor)
    follower = connect(first.url).submit(request(lines=10, held=True))
    until(lambda: follower.next(0.1) is None and follower.last == 10)
    first.close()
    down = follower.next(WAIT_S)
    assert isinstance(down, LinkDown)
    assert down.since <= time.time()
    with Served(executor, first.port) as second:
        assert isinstance(follower.next(WAIT_S), LinkUp)
        run = executor.runs[follower.run]
        second.do(lambda: executor.finish(run))
        rest = list(events(follower))
    assert [frame for event in rest if isinstance(event, Batch) for frame in event.frames] == [End("ok")]


def test_a_request_whose_link_broke_before_it_was_confirmed_is_sent_again(
    executor: Executor, served: Served, connect: Connect
) -> None:
    executor.drop_submits = 2
    follower = connect(served.url).submit(request(lines=3))
    assert numbers(list(events(follower))) == [1, 2, 3]
    assert executor.runs[follower.run].times_executed == 1


def test_a_run_left_at_once_is_still_sent(executor: Executor, served: Served, connect: Connect) -> None:
    executor.drop_submits = 1
    client = connect(served.url)
    follower = client.submit(request(lines=3))
    follower.close()
    until(lambda: follower.run in executor.runs)
    until(lambda: executor.said[-1] == api.Unfollow(follower.run))


def test_closing_the_client_lets_requests_on_their_way_arrive(
    executor: Executor, served: Served, connect: Connect
) -> None:
    with connect(served.url) as client:
        run = client.submit(request(lines=1)).run
    assert run in executor.runs


def test_a_refused_run_raises_the_executors_error_by_class(served: Served, connect: Connect) -> None:
    follower = connect(served.url).submit(request(gpu="H100"))
    for _ in range(2):
        with pytest.raises(NoDeviceFits) as refused:
            follower.next(WAIT_S)
    assert refused.value.fields == {"have": []}


def test_following_an_unknown_run_is_not_found(served: Served, connect: Connect) -> None:
    with pytest.raises(NotFound):
        connect(served.url).follow(new_run_id()).next(WAIT_S)


def test_following_from_a_number_gives_the_rest(served: Served, connect: Connect) -> None:
    client = connect(served.url)
    first = client.submit(request(lines=5))
    list(events(first))
    batches = [event for event in events(client.follow(first.run, after=3)) if isinstance(event, Batch)]
    assert [(batch.first, len(batch.frames)) for batch in batches] == [(4, 3)]


def test_a_second_follower_takes_the_run_over(executor: Executor, served: Served, connect: Connect) -> None:
    client = connect(served.url)
    first = client.submit(request(lines=5, held=True))
    until(lambda: first.last == 5 or first.next(0.1) is None)
    second = client.follow(first.run)
    with pytest.raises(Unavailable, match="another cell"):
        list(events(first))
    until(lambda: second.last == 5 or second.next(0.1) is None)
    served.do(lambda: executor.finish(executor.runs[first.run]))
    assert second.last == 5
    assert isinstance(list(events(second))[-1], Changed)


def test_frames_that_a_faulty_executor_left_out_are_asked_for(
    executor: Executor, served: Served, connect: Connect
) -> None:
    executor.frames_at_once, executor.skip_frame = 2, 5
    follower = connect(served.url).submit(request(lines=20))
    assert numbers(list(events(follower))) == list(range(1, 21))
    assert api.Follow(follower.run, 4) in executor.said


def test_a_slow_reader_loses_nothing_and_holds_up_nobody(executor: Executor, served: Served, connect: Connect) -> None:
    executor.frames_at_once = 4
    client = connect(served.url)
    slow = client.submit(request(lines=1200, size_bytes=40_000))
    until(lambda: api.Unfollow(slow.run) in executor.said)
    assert numbers(list(events(client.submit(request(lines=3))))) == [1, 2, 3]
    assert slow._inbox.held_bytes < HELD_BYTES + 2**20
    assert numbers(list(events(slow))) == list(range(1, 1201))


def test_two_threads_each_see_their_own_run(served: Served, connect: Connect) -> None:
    client = connect(served.url)
    printed: dict[int, list[int]] = {}

    def work(lines: int) -> None:
        printed[lines] = numbers(list(events(client.submit(request(lines=lines)))))

    threads = [threading.Thread(target=work, args=(lines,)) for lines in (300, 400)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert printed == {300: list(range(1, 301)), 400: list(range(1, 401))}


def test_an_interrupt_ends_the_wait_at_once(served: Served, connect: Connect) -> None:
    follower = connect(served.url).submit(request(lines=0, held=True))
    assert isinstance(follower.next(WAIT_S), Changed)
    main = threading.main_thread().ident
    assert main is not None
    struck: list[float] = []

    def strike() -> None:
        struck.append(time.monotonic())
        signal.pthread_kill(main, signal.SIGINT)

    timer = threading.Timer(0.1, strike)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        follower.next(None)
    assert time.monotonic() - struck[0] < 0.2
    timer.join()


def test_a_storm_of_interrupts_loses_no_frame(executor: Executor, served: Served, connect: Connect) -> None:
    executor.frames_at_once = 1
    follower = connect(served.url).submit(request(lines=3000))
    seen: list[Event] = []
    strikes = 0

    def strike(number: int, frame: FrameType | None) -> None:
        # Only there: neither the test's own lines nor a collector's finalizers are protected.
        if frame is not None and frame.f_code.co_filename == follow.__file__ and frame.f_code.co_name != "__del__":
            raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        while not (seen and isinstance(seen[-1], Changed) and seen[-1].view.state == "ended"):
            try:
                event = follower.next(WAIT_S)
                seen += [event] if event is not None else []
            except KeyboardInterrupt:
                strikes += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    assert numbers(seen) == list(range(1, 3001))
    assert strikes > 10


def test_a_link_that_looks_open_but_carries_nothing_is_replaced(
    executor: Executor, served: Served, proxy: Proxy, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial, "PING_S", 0.1)
    monkeypatch.setattr(dial, "SILENCE_S", 0.3)
    monkeypatch.setattr(dial, "OPEN_S", 0.3)
    follower = connect(proxy.url).submit(request(lines=2, held=True))
    until(lambda: follower.last == 2 or follower.next(0.1) is None)
    proxy.stall()
    down = follower.next(WAIT_S)
    assert isinstance(down, LinkDown)
    assert "nothing heard" in down.why
    proxy.flow()
    assert isinstance(follower.next(WAIT_S), LinkUp)


def test_an_interrupt_never_overtakes_the_request_it_is_for(executor: Executor, proxy: Proxy, connect: Connect) -> None:
    client = connect(proxy.url)
    client.connect()
    proxy.stall()
    follower = client.submit(request(lines=1, held=True))
    client.interrupt(follower.run)
    proxy.flow()
    assert numbers(list(events(follower))) == [1]
    assert executor.said[-2:] == [executor.said[-2], api.Interrupt(follower.run)]
    assert executor.asked == []


def test_an_interrupt_of_a_confirmed_run_is_a_request_with_an_answer(
    executor: Executor, served: Served, connect: Connect
) -> None:
    client = connect(served.url)
    follower = client.submit(request(held=True))
    assert isinstance(follower.next(WAIT_S), Changed)
    client.interrupt(follower.run)
    list(events(follower))
    assert executor.asked == [("POST", f"/runs/{follower.run}/interrupt")]
    with pytest.raises(NotFound):
        client.cancel(RunId("r-nosuchrun000"))


def test_an_idle_link_that_broke_is_made_again_only_by_the_next_run(proxy: Proxy, connect: Connect) -> None:
    client = connect(proxy.url)
    client.connect()
    proxy.cut()
    stream = client._stream
    assert stream is not None
    until(lambda: not stream.live)
    assert proxy.connections == 1
    assert numbers(list(events(client.submit(request(lines=2))))) == [1, 2]
    assert proxy.connections == 2


@pytest.mark.parametrize("rejects_bare", [False, True])
def test_a_wrong_token_is_unauthorized(executor: Executor, served: Served, rejects_bare: bool) -> None:
    executor.rejects_bare = rejects_bare
    with Client(Target(served.url, "t-wrongwrongwr.secret", embedded=False)) as client:
        with pytest.raises(Unauthorized, match="does not accept the token t-wrongwrongwr…"):
            client.connect()
        with pytest.raises(Unauthorized):
            client.status()


def test_no_token_says_how_to_give_one(served: Served) -> None:
    with Client(Target(served.url, None, embedded=False)) as client, pytest.raises(Unauthorized, match="FARCELL_TOKEN"):
        client.connect()


def test_a_token_revoked_while_the_link_was_down_ends_the_wait(
    executor: Executor, served: Served, proxy: Proxy, connect: Connect
) -> None:
    follower = connect(proxy.url).submit(request(held=True))
    assert isinstance(follower.next(WAIT_S), Changed)
    executor.token = "t-another00000.secret"
    proxy.cut()
    with pytest.raises(Unauthorized):
        list(events(follower))


@pytest.mark.parametrize("rejects_bare", [False, True])
def test_a_server_of_another_protocol_is_a_version_mismatch(
    executor: Executor, served: Served, connect: Connect, rejects_bare: bool
) -> None:
    executor.protocol, executor.rejects_bare = "99;98", rejects_bare
    client = connect(served.url)
    for ask in (client.connect, client.status):
        with pytest.raises(
            VersionMismatch, match="speaks protocol 98 to 99, this program 1 to 1: upgrade this program"
        ):
            ask()


def test_an_executor_that_is_not_there_says_what_to_do(served: Served, connect: Connect) -> None:
    served.close()
    client = connect(served.url)
    for ask in (client.connect, client.status):
        with pytest.raises(ExecutorUnreachable, match=r"no executor answers at http://127.*refused.*farcell up"):
            ask()


def test_a_host_that_does_not_exist_says_so(connect: Connect) -> None:
    client = connect("http://nowhere.invalid:8765")
    for ask in (client.connect, client.status):
        with pytest.raises(ExecutorUnreachable, match=r"no executor answers at http://nowhere\.invalid"):
            ask()


def test_a_request_that_is_too_large_is_refused_before_it_is_sent(served: Served, connect: Connect) -> None:
    large = api.RunRequest(new_run_id(), b"x" * 64 * 2**20, api.Interpreter("python", "3.11.7"))
    with pytest.raises(MessageTooLarge):
        connect(served.url).submit(large)


def test_a_server_that_takes_no_message_of_that_size_ends_the_run_not_the_client(
    executor: Executor, served: Served, connect: Connect
) -> None:
    executor.close_submits_with = 1009
    client = connect(served.url)
    with pytest.raises(MessageTooLarge):
        list(events(client.submit(request())))
    executor.close_submits_with = None
    assert numbers(list(events(client.submit(request(lines=1))))) == [1]


def test_a_server_that_hangs_up_on_a_request_is_not_asked_for_ever(
    executor: Executor, served: Served, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farcell.stream.LONGEST_WAIT_S", 0.01)
    executor.close_submits_with = 1011
    with pytest.raises(Unavailable, match="broke 10 times"):
        list(events(connect(served.url).submit(request())))


def test_closing_a_follower_wakes_whoever_waits_for_it(served: Served, connect: Connect) -> None:
    follower = connect(served.url).submit(request(lines=0, held=True))
    assert isinstance(follower.next(WAIT_S), Changed)
    timer = threading.Timer(0.05, follower.close)
    timer.start()
    with pytest.raises(Unavailable):
        follower.next(WAIT_S)
    timer.join()


def test_nothing_is_left_after_close(executor: Executor, served: Served) -> None:
    descriptors, threads = len(os.listdir("/proc/self/fd")), set(threading.enumerate())
    client = Client(Target(served.url, TOKEN, embedded=False))
    followers = [client.submit(request(held=True)) for _ in range(3)]
    assert isinstance(followers[0].next(WAIT_S), Changed)
    client.status()
    client.close()
    client.close()
    with pytest.raises(Unavailable):
        list(events(followers[0]))
    assert set(threading.enumerate()) == threads
    until(lambda: len(os.listdir("/proc/self/fd")) == descriptors)


def test_a_closed_client_may_be_used_again(served: Served, connect: Connect) -> None:
    client = connect(served.url)
    client.connect()
    client.close()
    assert numbers(list(events(client.submit(request(lines=2))))) == [1, 2]


def test_plain_requests_are_answered_in_the_protocols_structs(
    executor: Executor, served: Served, connect: Connect
) -> None:
    client = connect(served.url)
    run = client.submit(request(lines=1)).run
    until(lambda: run in executor.runs)
    assert client.status() == api.ExecutorView("0.1.0", 1, 1, 1.0, pid=os.getpid())
    assert (client.nodes(), client.sessions()) == ([], [])
    assert [view.run for view in client.runs()] == [run]
    assert client.run(run).state == "ended"
    assert b"1\n" in client.output(run)
    assert [device.model for device in client.simulate("H100:2")] == ["H100:2"]
    with pytest.raises(NotFound):
        client.stop_session(api.SessionId("s-nosuch"))


def said(executor: Executor, run: RunId) -> list[str]:
    """What a run was told, in order."""
    return [told.value for told in executor.runs[run].told.values() if isinstance(told, InputReply)]


def hears(follower: Follower, count: int) -> None:
    """Follow until so many frames say that something was heard."""
    heard = 0
    while heard < count:
        event = follower.next(WAIT_S)
        assert event is not None, f"nothing for {WAIT_S} s; {heard} heard"
        heard += sum(isinstance(frame, Heard) for frame in event.frames) if isinstance(event, Batch) else 0


def test_what_a_run_is_told_arrives_once_and_in_order_over_links_that_break(
    executor: Executor, proxy: Proxy, connect: Connect
) -> None:
    proxy.cut_every_bytes = 2500
    client = connect(proxy.url)
    follower = client.submit(request(lines=0, held=True))
    for n in range(200):
        client.tell(follower.run, InputReply(n, str(n)))
    hears(follower, 200)
    assert said(executor, follower.run) == [str(n) for n in range(200)]
    assert proxy.cuts > 2


def test_what_got_lost_on_the_way_is_said_again(executor: Executor, served: Served, connect: Connect) -> None:
    executor.drop_tells = 1
    client = connect(served.url)
    follower = client.submit(request(lines=0, held=True))
    client.tell(follower.run, InputReply(1, "a"))
    client.tell(follower.run, InputReply(2, "b"))
    hears(follower, 2)
    assert said(executor, follower.run) == ["a", "b"]
    ids = [message.tell for message in executor.said if isinstance(message, api.Tell)]
    assert len(ids) == 3
    assert len(set(ids)) == 2


def test_a_message_to_a_run_that_fits_nowhere_is_refused_here(served: Served, connect: Connect) -> None:
    client = connect(served.url)
    follower = client.submit(request(lines=0, held=True))
    with pytest.raises(MessageTooLarge):
        client.tell(follower.run, InputReply(1, "x" * 2**26))
