"""The zygote rule, and the handing over of descriptors."""

import os
import subprocess
import sys
import threading

import pytest

from farcell_protocol.ids import new_worker_id
from farcell_protocol.messages.work import Fork, Forked, ForkRefused
from farcell_worker.purity import why_impure
from tests.unit.worker.standin import PYTHON, FarWorker, Zygote, worker_ends

# Zygotes that break the rule: each runs one line after warming up.
_IMPURE = """
import sys, socket, threading
from farcell_worker import zygote
warm_up = zygote.warm_up
def impure():
    ready = warm_up()
    {line}
    return ready
zygote.warm_up = impure
zygote.main(sys.argv[1:])
"""


def _impure_zygote(line: str) -> Zygote:
    return Zygote(command=[sys.executable, "-c", _IMPURE.format(line=line), "--fd"])


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("threading.Thread(target=threading.Event().wait, daemon=True).start()", "2 threads"),
        ("globals()['kept'] = socket.socket()", "socket:"),
        ("import asyncio; globals()['kept'] = asyncio.new_event_loop()", "not ours"),
        ("import zmq; zmq.Context.instance()", "ZMQ context"),
    ],
)
def test_a_zygote_that_is_not_clean_refuses_and_says_why(line: str, why: str) -> None:
    zygote = _impure_zygote(line)
    with pytest.raises(AssertionError, match=rf"ForkRefused.*{why}"):
        zygote.fork()
    zygote.close()


def test_a_process_with_threads_may_not_be_forked() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    assert "threads run in the zygote" in why_impure([])
    stop.set()
    thread.join()


def test_a_warm_zygote_says_which_python_it_is(zygote: Zygote) -> None:
    assert (zygote.ready.pid, zygote.ready.python) == (zygote.process.pid, PYTHON)


def test_a_zygote_has_one_thread_and_one_socket_and_stays_so(zygote: Zygote, worker: FarWorker) -> None:
    pid = zygote.process.pid
    assert len(os.listdir(f"/proc/{pid}/task")) == 1
    targets = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd") if int(fd) > 2]
    assert [target.partition(":")[0] for target in targets] == ["socket"]


def test_a_zygote_has_imported_no_plotting_and_no_numbers() -> None:
    code = (
        "import sys; from farcell_worker.zygote import warm_up; warm_up();"
        "heavy = {'matplotlib', 'numpy', 'debugpy', 'torch', 'sqlite3'} & set(sys.modules);"
        "print(sorted(heavy), file=sys.__stdout__, flush=True)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_order_without_descriptors_is_refused(zygote: Zygote) -> None:
    answer = zygote.ask(Fork(new_worker_id(), "/", {}), [])
    assert isinstance(answer, ForkRefused)
    assert "descriptors" in answer.why


def test_orders_that_arrive_together_each_get_their_own_descriptors(zygote: Zygote) -> None:
    ends = [worker_ends() for _ in range(3)]
    forks = [Fork(new_worker_id(), "/", {}) for _ in ends]
    workers = []
    for fork, (ours, theirs, read_end, write_end) in zip(forks, ends, strict=True):
        answer = zygote.ask(fork, [theirs.fileno(), write_end])
        theirs.close()
        os.close(write_end)
        assert isinstance(answer, Forked)
        workers.append(FarWorker(fork.worker, ours, read_end, answer.pid))
    for worker in workers:
        assert worker.greet().hello.worker == worker.id  # type: ignore[union-attr]
        worker.close()


def test_a_forked_worker_keeps_no_other_workers_socket_open(zygote: Zygote) -> None:
    first, second = zygote.fork().greet(), zygote.fork().greet()
    os.kill(first.pid, 9)
    assert first.records.next() is None
    assert second.run("1").result == "1"
    first.close()
    second.close()


def test_a_user_can_import_what_was_hidden_from_the_kernel(worker: FarWorker) -> None:
    assert worker.run("import sys; 'debugpy' in sys.modules").result == "False"
