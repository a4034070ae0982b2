"""`farcell doctor`: what this host can and cannot do, each finding with what to do about it."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from farcell_host import locks
from farcell_protocol.ipykernels import is_tried, untried
from farcell_protocol.places import Places

_ANSWER_S = 5.0
_LOW_SPACE_BYTES = 1 * 2**30


@dataclass(frozen=True)
class Finding:
    """One line: "ok", "warn" (a run works, with less) or "fail" (a run would break)."""

    verdict: Literal["ok", "warn", "fail"]
    subject: str
    text: str


def examine(places: Places) -> list[Finding]:
    """Look at everything. A check that itself breaks is a finding like the others."""
    checks: list[Callable[[Places], Iterator[Finding]]] = [
        _python, _ipykernel, _directories, _executor, _sockets, _namespaces, _memory_limits, _gpus,
    ]  # fmt: skip
    findings: list[Finding] = []
    for check in checks:
        try:
            findings += check(places)
        except Exception as err:
            findings.append(Finding("warn", check.__name__.strip("_"), f"could not be checked: {err!r}"))
    return findings


def show(findings: list[Finding]) -> None:
    """Print the findings, one a line."""
    for finding in findings:
        print(f"{finding.verdict:4}  {finding.subject:14} {finding.text}")


def _python(_: Places) -> Iterator[Finding]:
    fits = sys.version_info >= (3, 11)
    text = f"{sys.version.split()[0]} at {sys.executable}"
    yield Finding("ok" if fits else "fail", "Python", text if fits else f"{text}: 3.11 or newer is needed")


def _ipykernel(_: Places) -> Iterator[Finding]:
    try:
        found = version("ipykernel")
    except PackageNotFoundError:
        yield Finding("fail", "ipykernel", f"not installed for {sys.executable}: pip install ipykernel")
        return
    yield Finding("ok", "ipykernel", found) if is_tried(found) else Finding("warn", "ipykernel", untried(found))


def _directories(places: Places) -> Iterator[Finding]:
    for what, path in (("data", places.data), ("sockets", places.runtime)):
        if not path.exists():
            yield Finding("ok", what, f"{path} (made at the first start)")
            continue
        mode, owner = path.stat().st_mode & 0o777, path.stat().st_uid
        if owner != os.getuid() or not os.access(path, os.W_OK):
            yield Finding("fail", what, f"{path} is not yours to write: chown it, or set FARCELL_DATA")
        elif mode & 0o077:
            yield Finding("warn", what, f"{path} is open to others ({mode:o}): chmod 700 {path}")
        else:
            yield Finding("ok", what, f"{path} (mode {mode:o})")
    existing = next(path for path in (places.data, *places.data.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    low = free < _LOW_SPACE_BYTES
    text = f"{free / 2**30:.1f} GiB free"
    yield Finding("warn" if low else "ok", "disk", f"{text}: runs keep their output there; make room" if low else text)


def _executor(places: Places) -> Iterator[Finding]:
    holder = locks.holder(places.executor_lock)
    if holder:
        yield Finding("ok", "executor", f"process {holder.get('pid')} at {holder.get('address')}")
    else:
        yield Finding("ok", "executor", "none runs; the first %%gpu cell starts one")


def _sockets(places: Places) -> Iterator[Finding]:
    for what, path in (("socket", places.executor_socket), ("keeper", places.keeper_socket)):
        if not path.exists():
            yield Finding("ok", what, f"{path} is made by the first start")
        elif path.lstat().st_mode & 0o077:
            yield Finding("fail", what, f"others can connect to {path}: chmod 600 {path}")
        elif _answers(path):
            yield Finding("ok", what, f"answers at {path}")
        else:
            yield Finding("ok", what, f"{path} was left behind by a killed process; the next start replaces it")


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_ANSWER_S)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _namespaces(_: Places) -> Iterator[Finding]:
    flags = ["--pid", "--mount", "--fork"] + ([] if os.getuid() == 0 else ["--user", "--map-current-user"])
    tried = subprocess.run(["unshare", *flags, "true"], capture_output=True, text=True, timeout=10, check=False)
    if tried.returncode == 0:
        yield Finding("ok", "isolation", "workers get pid and mount namespaces of their own")
    else:
        yield Finding(
            "warn",
            "isolation",
            f"none: namespaces are refused here ({tried.stderr.strip()}); allow user namespaces (sysctl"
            " user.max_user_namespaces), or a stopped cell may leave processes that left its group",
        )


def _memory_limits(_: Places) -> Iterator[Finding]:
    # Version 1 has a hierarchy for memory, version 2 one for everything; a hybrid counts memory in the first.
    homes = [path for path in (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")) if os.access(path, os.W_OK)]
    if homes:
        yield Finding("ok", "memory limits", f"a cgroup per worker below {homes[0]}")
    else:
        yield Finding("warn", "memory limits", "no cgroup can be written: FARCELL_WORKER_MEMORY has no effect here")


def _gpus(_: Places) -> Iterator[Finding]:
    from farcell_agent.nvml import Nvml

    nvml = Nvml()
    try:
        reading = nvml.read()
    finally:
        nvml.close()
    for gpu in reading.gpus:
        yield Finding("ok", "GPU", gpu.product)
    for note in reading.notes:
        yield Finding("warn", "GPU", f"{note} (`%gpu simulate H100` pretends)")
