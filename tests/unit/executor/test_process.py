"""The executor as a process: the daemon and the commands, on a data directory of their own."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from farcell_executor.lock import data_lock
from farcell_host.locks import holder, is_held
from farcell_protocol.errors import DataDirectoryInUse
from tests.unit.executor.home import Home


def test_the_daemon_is_a_session_of_its_own_without_inherited_descriptors(home: Home, tmp_path: Path):
    with (tmp_path / "theirs").open("w") as theirs:
        daemon = home.daemon(inherited=(theirs.fileno(),))
        links = [os.readlink(f"/proc/{daemon.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{daemon.pid}/fd")]
    assert str(tmp_path / "theirs") not in links
    assert os.getsid(daemon.pid) == daemon.pid
    assert os.readlink(f"/proc/{daemon.pid}/fd/2") == str(home.where.executor_log)
    for private in (home.where.data, home.where.runtime):
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
    for private in (home.where.executor_socket, home.where.token_file, home.where.executor_log, home.where.store):
        assert stat.S_IMODE(private.stat().st_mode) & 0o077 == 0, private
    assert json.loads(home.where.executor_lock.read_text()) == {
        "pid": daemon.pid,
        "address": f"unix://{home.where.executor_socket}",
        "version": holder(home.where.executor_lock)["version"],
    }


def test_a_second_executor_refuses_and_names_the_first(home: Home):
    first = home.daemon()
    second = home.daemon()
    assert second.wait(10) == 75
    assert str(first.pid) in home.where.executor_log.read_text()
    by_hand = home.farcell("up", "--port", "0")
    assert by_hand.returncode == 75
    assert f"process {first.pid} at unix://{home.where.executor_socket}" in by_hand.stderr
    with pytest.raises(DataDirectoryInUse) as refused, data_lock(home.where):
        pass
    assert refused.value.fields["pid"] == first.pid
    assert home.farcell("status").returncode == 0


def test_a_directory_of_another_user_is_no_executor_that_is_there_already(home: Home):
    if os.getuid() != 0:
        pytest.skip("needs root to give a folder away")
    home.where.data.mkdir(parents=True, exist_ok=True)
    os.chown(home.where.data, 12345, 12345)
    refused = home.farcell("up", "--port", "0")
    assert refused.returncode == 1
    assert "belongs to user id 12345" in refused.stderr
    assert "(directory-not-ours)" in refused.stderr


def test_a_killed_executor_leaves_nothing_that_stops_the_next(home: Home):
    first = home.daemon()
    first.kill()
    first.wait(10)
    assert home.where.executor_socket.exists()
    assert holder(home.where.executor_lock) == {}
    token = home.where.token_file.read_text()
    home.daemon()
    assert home.where.token_file.read_text() == token
    assert home.farcell("status").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_leaves_politely_when_told_by_a_signal(home: Home, number: signal.Signals):
    daemon = home.daemon()
    os.kill(daemon.pid, signal.SIGHUP)
    os.kill(daemon.pid, number)
    assert daemon.wait(10) == 0
    assert not home.where.executor_socket.exists()


def test_stop_returns_when_the_keeper_has_gone_too(home: Home):
    home.daemon()
    deadline = time.monotonic() + 10
    while not is_held(home.where.keeper_lock):
        assert time.monotonic() < deadline, "the executor started no keeper"
    assert home.farcell("stop").stdout == "stopped\n"
    assert not is_held(home.where.keeper_lock)


def test_it_leaves_after_its_idle_time(home: Home):
    daemon = home.daemon("--idle-exit-s", "0.2")
    assert daemon.wait(10) == 0
    assert not home.where.executor_socket.exists()


def test_a_start_that_fails_leaves_nothing_behind(home: Home):
    process = subprocess.run(
        [sys.executable, "-m", "farcell_executor", "--embedded"],
        env=home.environment() | {"FARCELL_FAULT_AT": "nowhere"},
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert process.returncode == 1
    assert "FARCELL_FAULT_AT='nowhere' is none of before-save" in home.where.executor_log.read_text()
    assert not home.where.executor_socket.exists()
    deadline = time.monotonic() + 10
    while is_held(home.where.keeper_lock):
        assert time.monotonic() < deadline, "the keeper stays without an executor"


def test_the_commands_say_what_to_type_when_nothing_runs(home: Home):
    for command in (["status"], ["logs", "r-000000000000"], ["cancel", "r-000000000000"], ["token", "list"]):
        answer = home.farcell(*command)
        assert answer.returncode == 1
        assert "`farcell up` starts one" in answer.stderr
        assert "executor-unreachable" in answer.stderr


def test_tokens_are_made_listed_and_revoked(home: Home):
    home.daemon()
    made = home.farcell("token", "create", "--user", "bob", "--quiet").stdout.strip()
    token = made.partition(".")[0]
    assert "bob" in home.farcell("token", "list").stdout
    assert made not in home.farcell("token", "list").stdout
    assert token in home.farcell("token", "revoke", token).stdout
    assert "revoked" in home.farcell("token", "list").stdout
    assert "not-found" in home.farcell("token", "revoke", "t-000000000000").stderr
    assert "bad-request" in home.farcell("token", "create", "--user", "bob", "--scope", "king").stderr


def test_without_its_token_file_the_commands_say_how_to_have_a_new_one_made(home: Home):
    first = home.daemon()
    home.where.token_file.unlink()
    answer = home.farcell("stop")
    assert (answer.returncode, f"`kill {first.pid}`" in answer.stderr) == (1, True), answer.stderr
    first.terminate()
    first.wait(20)
    home.daemon()
    assert home.farcell("status").returncode == 0


def test_what_can_be_no_id_is_not_found_rather_than_asked_for_at_another_address(home: Home):
    home.daemon()
    for command in (["logs", "r 1"], ["logs", "../status?"], ["cancel", "a/b"], ["token", "revoke", "t 1"]):
        answer = home.farcell(*command)
        assert answer.returncode == 1
        assert "not-found" in answer.stderr


def test_up_serves_loopback_and_the_socket_and_nothing_wider(home: Home):
    refused = home.farcell("up", "--host", "0.0.0.0")
    assert refused.returncode == 1
    assert "loopback" in refused.stderr
    command = [sys.executable, "-m", "farcell_executor.cli", "up", "--port", "0", "--simulate", "H100:2"]
    process = subprocess.Popen(command, env=home.environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    home.started.append(process)
    assert process.stdout is not None
    first, second = process.stdout.readline().decode(), process.stdout.readline().decode()
    assert "http://127.0.0.1:" in first
    assert str(home.where.token_file) in second
    assert home.where.executor_socket.exists()
    deadline = time.monotonic() + 10
    while "H100 (simulated)" not in home.farcell("status").stdout:
        assert time.monotonic() < deadline
    assert home.farcell("stop").returncode == 0
    assert process.wait(10) == 0


def test_doctor_finds_nothing_wrong_here_and_says_what_to_do_where_it_does(home: Home):
    well = home.farcell("doctor")
    assert well.returncode == 0, well.stdout
    for subject in ("Python", "ipykernel", "disk", "executor", "socket", "keeper", "isolation", "GPU"):
        assert subject in well.stdout
    home.where.data.mkdir(mode=0o755)
    home.where.data.chmod(0o755)
    assert f"chmod 700 {home.where.data}" in home.farcell("doctor").stdout


def test_importing_the_command_costs_no_web_server():
    code = "import farcell_executor.cli, farcell_executor.__main__, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"litestar", "uvicorn", "sqlalchemy", "websockets", "rich.table"} & set(loaded)
