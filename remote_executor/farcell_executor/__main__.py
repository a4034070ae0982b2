"""`python -m farcell_executor --embedded`: the user's own executor, started by the first far cell."""

import argparse
import logging
import os
import sys
from pathlib import Path

from farcell_executor.lock import IN_USE
from farcell_executor.settings import settings_from
from farcell_host.directories import private_directory
from farcell_protocol.errors import DataDirectoryInUse, FarcellError


def main() -> int:
    """Serve until nobody needs it; 75 when another executor holds the data directory, 1 on other errors."""
    # Whoever started us may have ignored or blocked nothing, but hands us its descriptors: see `become_daemon`.
    options = _parser().parse_args()
    try:
        _run(options)
    except DataDirectoryInUse as err:
        print(f"farcell_executor: {err}", file=sys.stderr)
        return IN_USE
    except FarcellError as err:
        print(f"farcell_executor: {err}", file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace) -> None:
    from farcell_agent.keeper import dismiss_keeper, start_keeper
    from farcell_executor.daemon import KeeperControl, become_daemon, run_executor

    settings = settings_from(
        os.environ,
        Path.home(),
        os.getuid(),
        interpreter=options.interpreter,
        data=options.data,
        idle_exit_s=options.idle_exit_s,
    )
    places = settings.places
    private_directory(places.data)
    private_directory(places.runtime)
    log_file = os.open(places.executor_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    become_daemon(log_file, options.ready_fd)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)

    def ready(_: str) -> None:
        if options.ready_fd is not None:
            os.write(options.ready_fd, b"\n")
            os.close(options.ready_fd)

    keeper = KeeperControl(lambda: start_keeper(places, settings.interpreter), lambda: dismiss_keeper(places))
    run_executor(settings, keeper, ready)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m farcell_executor", description="Farcell's embedded executor.")
    parser.add_argument("--embedded", action="store_true", required=True, help="be the daemon of this user")
    parser.add_argument("--data", help="the data directory; else FARCELL_DATA or the usual one")
    parser.add_argument("--interpreter", default=sys.executable, help="the Python whose zygote is warmed up")
    parser.add_argument("--idle-exit-s", type=float, help="leave after so long without any use")
    parser.add_argument("--ready-fd", type=int, help="a descriptor that gets a byte when the API is served")
    return parser


if __name__ == "__main__":
    sys.exit(main())
