"""How a process of ours stays when whoever started it has gone."""

import os
import subprocess
import sys
from pathlib import Path

STAYS = """
import os, sys
from farcell_host.processes import close_inherited, move_to_background

kept, other, log = map(int, sys.argv[1:])
move_to_background(log)
close_inherited({kept})
open_ones = {int(name) for name in os.listdir("/proc/self/fd")}
print(os.getsid(0) == os.getpid(), os.getcwd(), os.read(0, 1), kept in open_ones, other in open_ones, log in open_ones)
"""


def test_it_has_a_session_and_a_log_of_its_own_and_nothing_else_that_is_open(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+") as log, open(os.devnull) as kept, open(os.devnull) as other:
        numbers = [kept.fileno(), other.fileno(), log.fileno()]
        done = subprocess.run(
            [sys.executable, "-c", STAYS, *map(str, numbers)], pass_fds=numbers, capture_output=True, timeout=30
        )
        log.seek(0)
        assert log.read() == "True / b'' True False False\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
