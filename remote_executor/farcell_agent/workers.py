"""The workers of this node as its agent knows them: what they start with, what they hold, what is left of them."""

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from farcell_agent.claims import Claims
from farcell_agent.devices import Devices
from farcell_protocol.errors import WorkerNotStarted
from farcell_protocol.ids import WorkerId
from farcell_protocol.messages.keeping import Exit, ProcessSpec, WorkerChanged, WorkerReport
from farcell_protocol.messages.link import StartWorker


@dataclass(frozen=True)
class Surroundings:
    """What this node gives every worker. An embedded node shares the client's host: its Python and its folders."""

    embedded: bool
    scratch: Path
    memory_bytes: int | None = None


class Workers:
    """Which workers exist, from the keeper's reports; and the devices they hold, from the same."""

    def __init__(self, surroundings: Surroundings, devices: Devices) -> None:
        self._surroundings = surroundings
        self._devices = devices
        self._reports: dict[WorkerId, WorkerReport] = {}
        self.claims = Claims()

    def adopt(self, reports: Iterable[WorkerReport]) -> None:
        """These and no others exist, says the keeper."""
        self._reports = {report.worker: report for report in reports}
        self.claims.derive(self._reports.values())

    def admit(self, order: StartWorker) -> ProcessSpec | WorkerChanged:
        """Claim the devices and say how to start the worker; or, for one that has come and gone, what became of it.

        Raises:
            WorkerNotStarted: a device is held, in trouble or not here; or there is no directory to start in.
        """
        known = self._reports.get(order.worker)
        if known is not None and known.state == "exited":
            return WorkerChanged(known)
        self._devices.check(order.devices, self.claims.devices)
        self.claims.claim(order.worker, order.devices)
        try:
            spec = self._spec(order)
        except OSError as err:
            self.claims.release(order.worker)
            raise WorkerNotStarted(f"no directory to start the worker in: {err}") from err
        self._reports[order.worker] = known or WorkerReport(order.worker, "starting", spec)
        return spec

    def note(self, report: WorkerReport) -> None:
        """The keeper's newest word on a worker; an exit frees its devices."""
        self._reports[report.worker] = report
        if report.state == "exited":
            self.claims.release(report.worker)

    def forget(self, worker: WorkerId) -> None:
        """Its exit has been recorded by the executor."""
        self._reports.pop(worker, None)
        self.claims.release(worker)

    def knows(self, worker: WorkerId) -> bool:
        """Whether it was started here and not yet forgotten."""
        return worker in self._reports

    def is_starting(self, worker: WorkerId) -> bool:
        """Whether it was asked for and has not been heard of."""
        known = self._reports.get(worker)
        return known is not None and known.state == "starting"

    def scratch_of(self, worker: WorkerId) -> Path:
        """The working directory of a worker that has no better one."""
        return self._surroundings.scratch / worker

    def orphaned_scratch(self) -> list[Path]:
        """Working directories whose workers are gone."""
        living = {worker for worker, report in self._reports.items() if report.state != "exited"}
        folder = self._surroundings.scratch
        return [path for path in folder.iterdir() if path.name not in living] if folder.is_dir() else []

    def _spec(self, order: StartWorker) -> ProcessSpec:
        return ProcessSpec(
            interpreter=self._interpreter(order),
            cwd=self._cwd(order),
            env={
                "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
                "CUDA_VISIBLE_DEVICES": self._devices.visible(order.devices),
                "FARCELL_SESSION": order.session,
                "FARCELL_WORKER": order.worker,
            },
            memory_bytes=self._surroundings.memory_bytes,
            devices=list(order.devices),
            label=order.session,
        )

    def _interpreter(self, order: StartWorker) -> str:
        theirs = order.python.executable
        usable = self._surroundings.embedded and os.path.isfile(theirs) and os.access(theirs, os.X_OK)
        return theirs if usable else sys.executable

    def _cwd(self, order: StartWorker) -> str:
        if self._surroundings.embedded and order.cwd and os.path.isdir(order.cwd):
            return order.cwd
        scratch = self.scratch_of(order.worker)
        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        return str(scratch)


def not_started(worker: WorkerId, error: WorkerNotStarted, *, expected: bool = False) -> WorkerChanged:
    """The word on a worker that never came to be."""
    spec = ProcessSpec(interpreter=sys.executable, cwd="/")
    return WorkerChanged(WorkerReport(worker, "exited", spec, exit=Exit(error.info(), expected=expected)))


def never_here(worker: WorkerId) -> WorkerChanged:
    """The answer to stopping a worker that this node does not have: its start was lost on the way."""
    return not_started(worker, WorkerNotStarted(f"worker {worker} never reached this node"), expected=True)
