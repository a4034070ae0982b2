"""Files that a process locks while it lives; the text in one says who holds it, as JSON, for whoever finds it locked.

The kernel lets go of a lock whatever ends the process, so no file that was left behind keeps anybody out.
"""

import fcntl
import json
import os
import time
from pathlib import Path
from types import TracebackType

from farcell_host.directories import is_still

_LOOK_AGAIN_S = 0.01  # flock has no deadline of its own
_MOST_BYTES = 65536


class LockFile:
    """A lock file, opened, and made if there was none; locked from `take` until it is closed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def __enter__(self) -> "LockFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def take(self) -> bool:
        """Lock it, unless another process has; tells whether it is ours."""
        return _flock(self._descriptor, fcntl.LOCK_EX)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)

    def facts(self) -> dict[str, object]:
        """What its holder wrote, or the one before if this one has not yet."""
        return _read(os.pread(self._descriptor, _MOST_BYTES, 0))

    def sign(self, **facts: object) -> None:
        """Say who holds it: our pid and these facts. Whoever reads at that very moment may find nothing yet."""
        self._write(json.dumps({"pid": os.getpid(), **facts}) + "\n")

    def clear(self) -> None:
        """Say that nobody does, to whoever looks for what a killed holder left."""
        self._write("")

    def is_in_place(self) -> bool:
        """Whether others find it at its path: else the folder was deleted or replaced, and with it its holder."""
        return is_still(os.fstat(self._descriptor), self.path)

    def _write(self, text: str) -> None:
        # One write over all that was there, so that no moment lies between removing the old text and adding ours.
        before = os.fstat(self._descriptor).st_size
        os.pwrite(self._descriptor, text.encode().ljust(before), 0)
        os.ftruncate(self._descriptor, len(text.encode()))


def is_held(path: Path) -> bool:
    """Whether a process holds the lock at `path`. Looking takes it for a moment."""
    return not wait_until_free(path, 0.0)


def holder(path: Path) -> dict[str, object]:
    """What the process that holds the lock wrote there; empty when none does, or it has not written yet."""
    return facts_in(path) if is_held(path) else {}


def facts_in(path: Path) -> dict[str, object]:
    """The text at `path`, whether anybody holds it or not; empty if there is none that can be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return {}
    try:
        # In one read: two could meet two texts.
        return _read(os.read(descriptor, _MOST_BYTES))
    except OSError:
        return {}
    finally:
        os.close(descriptor)


def wait_until_free(path: Path, deadline_s: float) -> bool:
    """Whether nobody holds the lock at `path`, or lets go of it within so many seconds."""
    end = time.monotonic() + deadline_s
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        while not _flock(descriptor, fcntl.LOCK_SH):
            if time.monotonic() >= end:
                return False
            time.sleep(_LOOK_AGAIN_S)
    finally:
        os.close(descriptor)
    return True


def _flock(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(text: bytes) -> dict[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
