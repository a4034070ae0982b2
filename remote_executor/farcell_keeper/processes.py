"""Other processes: started, told apart, signalled, reaped. A pid used again must never be taken for the old one."""

import os
import select
import signal
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

_RESET = [signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD]
_EARLY_KEPT = 256


@dataclass(frozen=True)
class Stat:
    """What the kernel says of a process: its state letter, its parent, and its start in clock ticks since boot."""

    state: str
    parent: int
    start_ticks: int


def parse_stat(text: str) -> Stat:
    """From the text of `/proc/PID/stat`; the name in brackets may itself hold spaces and brackets."""
    fields = text.rpartition(")")[2].split()
    return Stat(state=fields[0], parent=int(fields[1]), start_ticks=int(fields[19]))


def stat(pid: int) -> Stat | None:
    """None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as file:
            return parse_stat(file.read())
    except (OSError, IndexError, ValueError):
        return None


def descendants(roots: Iterable[int]) -> list[int]:
    """All living descendants of `roots`, without them, by one pass over /proc."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        found = stat(int(name)) if name.isdigit() else None
        if found is not None:
            children.setdefault(found.parent, []).append(int(name))
    result: list[int] = []
    queue = list(roots)
    while queue:
        queue = [child for pid in queue for child in children.get(pid, [])]
        result += queue
    return result


def kill_all(pids: Iterable[int]) -> None:
    """SIGKILL each that still exists. Process 0 would mean our own group, so small numbers are left out."""
    for pid in pids:
        if pid > 1 and pid != os.getpid():
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


class Process:
    """A process that is not our child, held by a pidfd where the kernel has them (5.3), else by pid and start time."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._fd: int | None = None
        with suppress(OSError, AttributeError):
            self._fd = os.pidfd_open(pid)
        found = stat(pid)
        self.parent = found.parent if found else 0
        self.start_ticks = found.start_ticks if found else None

    @property
    def fd(self) -> int | None:
        """Becomes readable when the process ends; None without a pidfd."""
        return self._fd

    @property
    def alive(self) -> bool:
        """Whether it has not ended yet; exact, whatever has its number now."""
        if self._fd is not None:
            poll = select.poll()
            poll.register(self._fd, select.POLLIN)
            return not poll.poll(0)
        found = stat(self.pid)
        return found is not None and found.state not in ("Z", "X") and found.start_ticks == self.start_ticks

    def signal(self, number: int) -> bool:
        """Send it a signal; whether it was there to get it."""
        try:
            if self._fd is not None:
                signal.pidfd_send_signal(self._fd, number)
            elif self.alive:
                os.kill(self.pid, number)
            else:
                return False
        except ProcessLookupError:
            return False
        return True

    def signal_group(self, number: int) -> bool:
        """Signal it and the process group that it leads, if it does; whether it was there to get it."""
        try:
            # Alive a moment ago, it was a member of its group, and the group's number is nobody else's yet.
            if not self.alive or os.getpgid(self.pid) != self.pid:
                return self.signal(number)
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def close(self) -> None:
        """Let go of it. Safe to repeat."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def spawn(arguments: Sequence[str], *, inherit: Sequence[int], output_fd: int) -> int:
    """Execute a program in a process group of its own; `inherit` are descriptors it gets, under their own numbers.

    Raises:
        OSError: there is no such program, or it cannot be executed.
    """
    for fd in inherit:
        os.set_inheritable(fd, True)
    return os.posix_spawn(
        arguments[0],
        list(arguments),
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, output_fd, 1),
            (os.POSIX_SPAWN_DUP2, output_fd, 2),
        ],
        setpgroup=0,
        setsigmask=[],
        setsigdef=_RESET,
    )


class Children:
    """Our own children: whoever waits for one is told its wait status once, even if it ended before it was expected.

    The keeper is a subreaper, so orphans that nobody expects end here as well.
    """

    def __init__(self) -> None:
        self._expected: dict[int, Callable[[int], None]] = {}
        self._early: dict[int, int] = {}

    def expect(self, pid: int, callback: Callable[[int], None]) -> None:
        """Call back when child `pid` has ended. Until then its number cannot belong to another process."""
        status = self._early.pop(pid, None)
        if status is not None and not self._is_ours(pid):
            callback(status)
        else:
            self._expected[pid] = callback

    def reap(self) -> None:
        """Collect all that ended; called after each SIGCHLD."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._ended(pid, status)

    def _ended(self, pid: int, status: int) -> None:
        callback = self._expected.pop(pid, None)
        if callback is not None:
            callback(status)
            return
        self._early[pid] = status
        if len(self._early) > _EARLY_KEPT:
            del self._early[next(iter(self._early))]

    @staticmethod
    def _is_ours(pid: int) -> bool:
        found = stat(pid)
        return found is not None and found.parent == os.getpid()
