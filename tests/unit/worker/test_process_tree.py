"""The worker's tree: what it is made of, what it inherits, and who dies with whom."""

import ast
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from farcell_protocol.ids import new_worker_id
from farcell_protocol.messages.cells import Cell
from farcell_protocol.messages.work import Began, Failed, Fork, Hello
from tests.fakes import without_namespaces
from tests.fakes.waiting import is_running
from tests.unit.worker.standin import PYTHON, FarWorker, Zygote, children_of, start_fresh, until


@pytest.fixture(params=["fork", "fresh"])
def either(request: pytest.FixtureRequest, zygote: Zygote, tmp_path: Path) -> Iterator[FarWorker]:
    """A worker however it was started."""
    if request.param == "fork":
        made = zygote.fork(cwd=str(tmp_path), env={"COLOUR": "green"})
    else:
        made = start_fresh(Fork(new_worker_id(), str(tmp_path), {"COLOUR": "green"}))
    yield made.greet()
    made.close()


def test_a_worker_says_who_it_is_and_how_it_was_started(either: FarWorker, request: pytest.FixtureRequest) -> None:
    assert isinstance(either.hello, Hello)
    assert either.hello.worker == either.id
    assert either.hello.python == PYTHON
    assert either.hello.started_by == request.node.callspec.params["either"]
    assert either.hello.isolation == "namespaces"
    assert either.hello.why_not == ""
    assert either.hello.pid_namespace != os.stat("/proc/self/ns/pid").st_ino
    # The pid the kernel gave with the message is ours to use; its own view is another.
    assert either.pid != either.hello.pid
    assert is_running(either.pid)


def test_it_has_the_folder_and_the_environment_that_were_asked_for(either: FarWorker, tmp_path: Path) -> None:
    ran = either.run("import os; print(os.getcwd(), os.environ['COLOUR'], os.environ['PWD'])")
    assert ran.text().split() == [str(tmp_path), "green", str(tmp_path)]


def test_it_sees_only_its_own_processes(either: FarWorker) -> None:
    ran = either.run("import os; print(*[n for n in os.listdir('/proc') if n.isdigit()], os.getpid(), os.getppid())")
    assert ran.text().split() == ["1", "2", "2", "1"]


def test_it_inherits_nothing_open(either: FarWorker) -> None:
    ran = either.run(
        "import os\n"
        "links = ['/proc/self/fd/' + n for n in os.listdir('/proc/self/fd')]\n"
        "targets = [os.readlink(link) for link in links if os.path.islink(link)]\n"
        "print(sum(t.startswith('socket:') for t in targets), os.readlink('/proc/self/fd/0'))"
    )
    # Its own socket, and the pair with which its event loop wakes itself.
    assert ran.text().split() == ["3", "/dev/null"]


def test_it_leads_a_session_of_its_own(either: FarWorker) -> None:
    assert either.run("import os; os.getsid(0) == os.getpgid(0) == os.getpid()").result == "True"


def test_a_missing_folder_becomes_a_fresh_one_and_the_first_run_says_so(zygote: Zygote) -> None:
    worker = zygote.fork(cwd="/no/such/folder").greet()
    try:
        ran = worker.run("import os; print(os.getcwd(), os.listdir())")
        folder = ran.text().split()[0]
        assert ran.text().split()[1] == "[]"
        assert "'/no/such/folder'" in ran.text("stderr")
        assert folder in ran.text("stderr")
        os.rmdir(folder)
    finally:
        worker.close()


def test_workers_of_one_zygote_draw_different_random_numbers(zygote: Zygote) -> None:
    workers = [zygote.fork().greet() for _ in range(2)]
    drawn = {worker.run("import random; print(random.random())").text() for worker in workers}
    for worker in workers:
        worker.close()
    assert len(drawn) == 2


def test_the_supervisor_reports_an_exit_code_and_a_signal(zygote: Zygote) -> None:
    for source, told in {
        "import os; os._exit(3)": 3 << 8,
        "import ctypes; ctypes.string_at(0)": signal.SIGSEGV,
    }.items():
        worker = zygote.fork().greet()
        run = worker.send(Cell(source, PYTHON))
        assert worker.exit_status().wait_status & ~0x80 == told  # 0x80: a core was dumped
        assert worker.records.next() == Began(run)
        assert worker.records.next() is None
        worker.close()


def test_sigterm_ends_a_worker_in_the_default_way(worker: FarWorker) -> None:
    os.kill(worker.pid, signal.SIGTERM)
    assert worker.exit_status().wait_status == signal.SIGTERM


def test_out_of_memory_kills_are_counted_for_the_cgroup(zygote: Zygote, tmp_path: Path) -> None:
    counter = tmp_path / "memory.events"
    counter.write_text("low 0\noom 1\noom_kill 4\n")
    worker = zygote.fork(oom_counter=str(counter)).greet()
    counter.write_text("low 0\noom 2\noom_kill 5\n")
    os.kill(worker.pid, signal.SIGKILL)
    assert worker.exit_status().oom_kills == 1
    worker.close()


def test_the_whole_tree_joins_the_cgroups_before_anything_runs(zygote: Zygote, tmp_path: Path) -> None:
    procs = tmp_path / "cgroup.procs"
    procs.write_text("")
    zygote.fork(cgroup_procs=[str(procs)]).greet().close()
    assert procs.read_text() == "0"


def test_a_cgroup_that_cannot_be_joined_is_a_reason_not_to_fork(zygote: Zygote, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"ForkRefused.*No such file"):
        zygote.fork(cgroup_procs=[str(tmp_path / "gone" / "cgroup.procs")])
    fresh = start_fresh(Fork(new_worker_id(), "/", {}, cgroup_procs=[str(tmp_path / "gone" / "cgroup.procs")])).greet()
    assert isinstance(fresh.hello, Failed)
    assert fresh.hello.error.code == "worker-not-started"
    fresh.close()


def test_what_a_cell_started_dies_with_the_worker(either: FarWorker) -> None:
    either.run("import subprocess; p = subprocess.Popen(['sleep', '1000'], start_new_session=True)")
    [child] = until(lambda: children_of(either.pid))
    os.kill(either.pid, signal.SIGKILL)
    either.exit_status()
    until(lambda: not is_running(child))


def test_the_worker_ends_when_the_keeper_closes_its_socket(worker: FarWorker) -> None:
    worker.records.sock.shutdown(socket.SHUT_RDWR)
    assert worker.exit_status().wait_status == 0


def test_workers_outlive_their_zygote() -> None:
    zygote = Zygote()
    worker = zygote.fork().greet()
    zygote.process.kill()
    zygote.process.wait()
    assert worker.run("6 * 7").result == "42"
    worker.close()
    zygote.close()


def test_a_zygote_leaves_when_its_keeper_closes_the_socket() -> None:
    zygote = Zygote()
    zygote.close()
    assert zygote.process.returncode == 0


_WITHOUT_NAMESPACES = [sys.executable, str(Path(without_namespaces.__file__))]

# A keeper in a process of its own, so that it can be killed: forks one worker, starts a grandchild in it.
_KEEPER = """
import sys
from tests.unit.worker.standin import *
how, no_namespaces = sys.argv[1:]
if how == "fresh":
    worker = start_fresh(Fork(new_worker_id(), "/", {}))
else:
    worker = Zygote().fork()
worker.greet()
worker.run("import subprocess; p = subprocess.Popen(['sleep', '1000'], start_new_session=True)")
[child] = until(lambda: children_of(worker.pid))
print(worker.hello.isolation, worker.supervisor, worker.pid, child, flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("how", ["fork", "fresh"])
@pytest.mark.parametrize("isolation", ["namespaces", "none"])
def test_the_worker_and_its_children_die_with_the_keeper(how: str, isolation: str) -> None:
    command = [sys.executable, "-c", _KEEPER, how, isolation]
    if isolation == "none":
        command = [*_WITHOUT_NAMESPACES, *command]
    keeper = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert keeper.stdout is not None
    with keeper.stdout:
        try:
            said, *pids = keeper.stdout.readline().split()
            assert said == isolation
            assert all(is_running(int(pid)) for pid in pids)
        finally:
            keeper.kill()
            keeper.wait()
    until(lambda: not any(is_running(int(pid)) for pid in pids))


def test_without_the_right_to_namespaces_a_worker_runs_and_says_why() -> None:
    zygote = Zygote(command=[*_WITHOUT_NAMESPACES, sys.executable, "-m", "farcell_worker.zygote", "--fd"])
    worker = zygote.fork().greet()
    try:
        assert isinstance(worker.hello, Hello)
        assert worker.hello.isolation == "none"
        assert "Operation not permitted" in worker.hello.why_not
        assert worker.hello.pid == worker.pid
        worker.run("import subprocess; p = subprocess.Popen(['sleep', '1000'], start_new_session=True)")
        [child] = until(lambda: children_of(worker.pid))
        worker.send(Cell("import os; os._exit(0)", PYTHON))
        assert worker.exit_status().wait_status == 0
        assert not is_running(child)
    finally:
        worker.close()
        zygote.close()


def test_an_ordinary_user_gets_namespaces_of_its_own(tmp_path: Path) -> None:
    prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    probe = [*prefix, sys.executable, "-c", "import farcell_worker.ready"]
    if os.getuid() != 0 or shutil.which("setpriv") is None or subprocess.run(probe, cwd="/").returncode != 0:
        pytest.skip("needs root, setpriv, and an interpreter that others may read")
    zygote = Zygote(command=[*prefix, sys.executable, "-m", "farcell_worker.zygote", "--fd"], cwd="/")
    worker = zygote.fork(cwd="/").greet()
    folder = tmp_path
    try:
        # Without a home that it may write to, IPython makes a folder of its own, which nobody removes.
        folder = Path(ast.literal_eval(str(worker.run("get_ipython().ipython_dir").result)))
        hello = msgspec.to_builtins(worker.hello)
        assert (hello["isolation"], hello["why_not"]) == ("namespaces", "")
        ran = worker.run(
            "import os\n"
            "print(os.getuid(), os.getgid(), os.getpid(), len([n for n in os.listdir('/proc') if n.isdigit()]))\n"
            "print(next(l for l in open('/proc/self/status') if l.startswith('CapEff')).split()[1])"
        )
        assert ran.text().split() == ["65534", "65534", "2", "2", "0" * 16]
    finally:
        worker.close()
        zygote.close()
        if folder.parent == Path(tempfile.gettempdir()):
            shutil.rmtree(folder)
