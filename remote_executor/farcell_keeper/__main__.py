"""`python -m farcell_keeper --data DIR --runtime DIR`: keep this host's workers until nobody needs them."""

import argparse
import os
import signal
import sys
from functools import partial
from pathlib import Path

from farcell_host.directories import private_directory
from farcell_host.door import Door
from farcell_host.locks import LockFile
from farcell_host.processes import close_inherited
from farcell_keeper import cgroups, journal, spool, startup
from farcell_keeper.ground import Ground
from farcell_keeper.keeper import Keeper
from farcell_keeper.loop import Loop, watch_signals
from farcell_keeper.visitors import Visitors
from farcell_protocol.errors import DataDirectoryInUse, DirectoryNotOurs
from farcell_protocol.places import Places

EXIT_IN_USE = 75
"""EX_TEMPFAIL of sysexits(3): another keeper is there already."""


_BACKLOG = 64
_CLEAR_TRIES = 100
_CLEAR_AGAIN_S = 0.05


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="farcell_keeper", description="Keep the workers of a GPU host.")
    parser.add_argument("--data", type=Path, required=True, help="the data directory")
    parser.add_argument("--runtime", type=Path, required=True, help="the directory of the socket")
    parser.add_argument("--idle-exit-s", type=float, default=60.0, help="how long without agent and worker")
    parser.add_argument("--ready-fd", type=int, help="gets one byte when the socket listens")
    return parser.parse_args()


def main() -> int:
    """Become the keeper and stay it."""
    options = _arguments()
    places = Places(options.data.absolute(), options.runtime.absolute())
    close_inherited(() if options.ready_fd is None else {options.ready_fd})
    try:
        private_directory(places.data)
        private_directory(places.runtime)
        private_directory(places.spool)
        lock = startup.alone(places.keeper_lock)
    except DataDirectoryInUse as err:
        print(err, file=sys.stderr)
        return EXIT_IN_USE
    except DirectoryNotOurs as err:
        print(err, file=sys.stderr)
        return 1
    remains = lock.facts()
    lock.sign()
    startup.move_to_background(places.keeper_log)
    startup.become_subreaper()
    startup.raise_descriptor_limit()
    try:
        _keep(places, lock, remains, options)
    except Exception:
        journal.failure("running")
        return 1
    return 0


def _keep(places: Places, lock: LockFile, remains: dict[str, object], options: argparse.Namespace) -> None:
    loop = Loop()
    _clear_remains(places, remains, loop)
    groups = cgroups.open_cgroups(os.getpid(), cgroups.own_homes())
    lock.sign(cgroup=str(groups.path) if groups else None)
    keeper = Keeper(loop, places.spool, groups, idle_exit_s=options.idle_exit_s)
    watch_signals(loop, keeper.signalled, [signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    door = Door(places.keeper_socket, _BACKLOG)
    ground = Ground(loop, lock, door, keeper)
    visitors = Visitors(
        loop,
        door.listener,
        greeted=keeper.greeted,
        obey=keeper.obey,
        drained=keeper.has_room,
        left=ground.agent_left,
    )
    ground.watch(visitors)
    journal.note(f"ready at {places.keeper_socket}")
    _say_ready(options.ready_fd)
    loop.run()
    visitors.close()
    door.remove()
    keeper.close()
    lock.clear()


def _clear_remains(places: Places, remains: dict[str, object], loop: Loop) -> None:
    """Of a keeper that was killed: its runs are known to be lost, and processes may still run in its cgroups."""
    spool.clear(places.spool)
    left = remains.get("cgroup")
    if isinstance(left, str) and Path(left).name == f"farcell-{remains.get('pid')}":
        _clear_cgroups(loop, Path(left), tries=_CLEAR_TRIES)


def _clear_cgroups(loop: Loop, path: Path, tries: int) -> None:
    if not cgroups.clear(path) and tries:
        loop.after(_CLEAR_AGAIN_S, partial(_clear_cgroups, loop, path, tries - 1))


def _say_ready(fd: int | None) -> None:
    if fd is None:
        return
    try:
        os.write(fd, b"\n")
    except OSError as err:
        journal.note(f"whoever started us does not wait any more: {err}")
    os.close(fd)


if __name__ == "__main__":
    sys.exit(main())
