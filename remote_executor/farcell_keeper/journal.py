"""What the keeper says on its standard error, which is its log file."""

import os
import sys
import time
import traceback


def note(text: str) -> None:
    """One dated line."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime())
    _write(f"{stamp} keeper[{os.getpid()}] {text}\n".encode(errors="replace"))


def failure(doing: str) -> None:
    """The exception being handled, with its traceback; `doing` says what it was confined to."""
    note(f"unexpected error while {doing}:\n{traceback.format_exc()}")


def copy(data: bytes) -> None:
    """What a child process wrote on its own standard error, as it came."""
    _write(data)


def _write(data: bytes) -> None:
    try:
        os.write(sys.stderr.fileno(), data)
    except (OSError, ValueError):
        # A full disk must not end the process whose log it is.
        return
