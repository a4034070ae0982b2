"""One cgroup per worker, where a memory hierarchy is writable: limits, the out-of-memory counter, the peak.

Cgroups are made below the keeper's own, so that whatever limits the keeper's surroundings have go on to hold.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from farcell_keeper import journal
from farcell_keeper.processes import kill_all


@dataclass(frozen=True)
class Names:
    """What one version of cgroups calls its files."""

    limit: str
    swap_limit: str
    peak: str
    oom_counter: str


V1 = Names("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.max_usage_in_bytes", "memory.oom_control")
V2 = Names("memory.max", "memory.swap.max", "memory.peak", "memory.events")


@dataclass(frozen=True)
class Home:
    """Where cgroups may be made: the keeper's own cgroup in a hierarchy that counts memory."""

    path: Path
    names: Names


def find_home(mountinfo: str, own: str) -> list[Home]:
    """Candidates, best first, from the texts of `/proc/self/mountinfo` and `/proc/self/cgroup`. Pure.

    Version 1 wins where both are mounted: in a hybrid, memory is counted there. Below version 2 a cgroup with
    processes in it cannot pass controllers on, so its parents are candidates too.
    """
    ours = dict(_memberships(own))
    homes: list[Home] = []
    for root, mount_point, kind, options in _mounts(mountinfo):
        if kind == "cgroup" and "memory" in options and "memory" in ours:
            homes.insert(0, Home(_seen_at(mount_point, root, ours["memory"]), V1))
        elif kind == "cgroup2" and "" in ours:
            here = _seen_at(mount_point, root, ours[""])
            homes += [Home(path, V2) for path in (here, *here.parents) if path.is_relative_to(mount_point)]
    return homes


class Cgroup:
    """The cgroup of one worker."""

    def __init__(self, path: Path, names: Names) -> None:
        self.path = path
        self._names = names
        self.limit_bytes: int | None = None

    @property
    def procs(self) -> str:
        """The file into which a process writes itself."""
        return str(self.path / "cgroup.procs")

    @property
    def oom_counter(self) -> str:
        """The file with the line `oom_kill N`."""
        return str(self.path / self._names.oom_counter)

    def limit(self, memory_bytes: int) -> None:
        """Allow no more memory than this, swap included where the kernel can say so.

        Raises:
            OSError: the kernel does not take it.
        """
        (self.path / self._names.limit).write_text(str(memory_bytes))
        swap = self.path / self._names.swap_limit
        with suppress(OSError):
            swap.write_text("0" if self._names is V2 else str(memory_bytes))
        self.limit_bytes = memory_bytes

    def oom_kills(self) -> int:
        """How many processes of it the out-of-memory killer has ended."""
        with suppress(OSError, ValueError):
            for line in Path(self.oom_counter).read_text().splitlines():
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
        return 0

    def peak_bytes(self) -> int | None:
        """The most memory it ever used; None where the kernel does not count it."""
        with suppress(OSError, ValueError):
            return int((self.path / self._names.peak).read_text())
        return None

    def pids(self) -> list[int]:
        """Its processes that are visible to us."""
        return pids_in(self.path)

    def remove(self) -> bool:
        """Whether it is gone; while processes are still ending in it the kernel says no."""
        return remove(self.path)


class Cgroups:
    """Makes the workers' cgroups, below one directory of this keeper."""

    def __init__(self, parent: Path, names: Names) -> None:
        self.path = parent
        self._names = names

    def make(self, worker: str, memory_bytes: int | None) -> Cgroup:
        """A cgroup for this worker, with its limit.

        Raises:
            OSError: it cannot be made or limited; nothing is left behind.
        """
        cgroup = Cgroup(self.path / worker, self._names)
        cgroup.path.mkdir()
        try:
            if memory_bytes is not None:
                cgroup.limit(memory_bytes)
        except OSError:
            cgroup.remove()
            raise
        return cgroup

    def clear(self) -> bool:
        """End what still runs in them and remove them, for a keeper that leaves; see `clear`."""
        return clear(self.path)


def open_cgroups(pid: int, homes: Sequence[Home], say: Callable[[str], None] = journal.note) -> Cgroups | None:
    """The cgroups of the keeper `pid`, in the first of `homes` that lets us; None where none does, having said why."""
    reasons = []
    for home in homes:
        path = home.path / f"farcell-{pid}"
        _sweep(home.path)
        try:
            _prepare(path, home.names)
        except OSError as err:
            reasons.append(f"{path}: {err.strerror}")
            remove(path)
            continue
        say(f"workers get cgroups in {path}")
        return Cgroups(path, home.names)
    say(f"no memory cgroup can be written ({'; '.join(reasons) or 'none is mounted'}): workers have no memory limits")
    return None


def _sweep(home: Path) -> None:
    """Remove empty cgroups of keepers that were killed, on whatever data directory. The kernel keeps any with a
    process in it; those are ended only by the next keeper on that directory, which knows them for its own."""
    for path in home.glob("farcell-*/"):
        pid = path.name.removeprefix("farcell-")
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            for child in path.glob("*/"):
                remove(child)
            remove(path)


def own_homes() -> list[Home]:
    """`find_home` for this process."""
    try:
        return find_home(Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text())
    except OSError as err:
        journal.note(f"cannot find out about cgroups: {err}")
        return []


def clear(path: Path) -> bool:
    """End what still runs in a keeper's cgroups and remove them; only for one that is dead, or leaving.

    Whether all is gone: what was just killed needs a moment, so call again.
    """
    for child in sorted(path.glob("*/")):
        kill_all(pids_in(child))
        remove(child)
    return remove(path)


def pids_in(path: Path) -> list[int]:
    """The processes in a cgroup; those of other pid namespaces read as 0 and are left out."""
    with suppress(OSError, ValueError):
        return [pid for pid in map(int, (path / "cgroup.procs").read_text().split()) if pid > 0]
    return []


def remove(path: Path) -> bool:
    """Whether the directory is gone."""
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _prepare(path: Path, names: Names) -> None:
    path.mkdir()
    if names is V2:
        (path / "cgroup.subtree_control").write_text("+memory")
        # A process moves only if whoever moves it may write to the common ancestor as well.
        if not os.access(path.parent / "cgroup.procs", os.W_OK):
            raise PermissionError(1, "may not move processes into it")
    probe = path / "probe"
    probe.mkdir()
    try:
        if not os.access(probe / names.limit, os.W_OK):
            raise PermissionError(1, f"has no writable {names.limit}")
    finally:
        probe.rmdir()


def _memberships(own: str) -> list[tuple[str, str]]:
    """(controller, path) of each line `number:controllers:path`; version 2 has no controllers there."""
    lines = (line.split(":", 2) for line in own.splitlines())
    return [(name, parts[2]) for parts in lines if len(parts) == 3 for name in parts[1].split(",")]


def _mounts(mountinfo: str) -> list[tuple[str, Path, str, list[str]]]:
    """(root, mount point, type, superblock options) of each mount, see proc_pid_mountinfo(5)."""
    found = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        head, tail = before.split(), after.split()
        if len(head) >= 5 and len(tail) >= 3:
            found.append((head[3], Path(head[4]), tail[0], tail[2].split(",")))
    return found


def _seen_at(mount_point: Path, root: str, own: str) -> Path:
    """Where our cgroup is visible; in a container without a cgroup namespace only part of the hierarchy is mounted."""
    relative = os.path.relpath(own, root) if own.startswith(root) else "."
    return mount_point / relative if relative != "." else mount_point
