"""What a keeper does when it is told something, and when a worker's state changes."""

import os
import signal
import time
from functools import partial
from pathlib import Path

from farcell_keeper import journal
from farcell_keeper.cgroups import Cgroup, Cgroups
from farcell_keeper.delivery import Delivery
from farcell_keeper.links import Link
from farcell_keeper.loop import Loop, Timer
from farcell_keeper.processes import Children
from farcell_keeper.runs import KeptRun, Remembered, Runs
from farcell_keeper.workers import Worker
from farcell_keeper.zygotes import Zygotes
from farcell_protocol.errors import BadRequest, FarcellError, NotFound, SessionEnded, Unavailable, WorkerNotStarted
from farcell_protocol.ids import RunId, WorkerId, is_id
from farcell_protocol.messages import keeping as k
from farcell_protocol.messages.work import Tell

_LAST_GRACE_S = 5.0
"""Workers have this long after our own SIGTERM."""
_LAST_WORDS_S = 5.0
_UNFETCHED_S = 24 * 3600.0
"""Output that nobody has fetched keeps an idle keeper for this long."""
_CGROUP_AGAIN_S = 0.05
_CGROUP_TRIES = 60
_LAST_TRIES = 100
_LAST_TRY_S = 0.01


class Keeper:
    """Owns the workers and their runs. `leave` of its loop is called when there is nothing left to do."""

    def __init__(self, loop: Loop, spool: Path, cgroups: Cgroups | None, *, idle_exit_s: float) -> None:
        self._loop = loop
        self._cgroups = cgroups
        self._idle_exit_s = idle_exit_s
        self._children = Children()
        self._runs = Runs(spool)
        self._delivery = Delivery(loop, self._runs)
        self._zygotes = Zygotes(loop, self._children)
        self._workers: dict[WorkerId, Worker] = {}
        self._seen = Remembered()
        self._started = time.time()
        self._quitting = False
        self._leaving = False
        self._clearing = False
        self._idle: Timer | None = None
        self._look_whether_idle()

    # ---- the agent -----------------------------------------------------------------------------

    def greeted(self, link: Link, version: int) -> None:
        """A new agent: it gets everything we have, and from now on whatever happens."""
        self._delivery.attach(link)
        workers = [worker.report() for worker in self._workers.values()]
        self._delivery.tell(k.Welcome(version, os.getpid(), self._started, workers, self._runs.reports()))
        self._look_whether_idle()

    def agent_left(self) -> None:
        """Nobody is there; everything goes on."""
        self._delivery.detach()
        self._look_whether_idle()

    def has_room(self) -> None:
        """The agent's link has room for more frames."""
        self._delivery.pump()
        self._look_whether_idle()

    def obey(self, message: k.ToKeeper) -> None:
        """Do what the agent says.

        Raises:
            FarcellError: it cannot be done; nothing has changed.
        """
        match message:
            case k.Execute():
                self._execute(message)
            case k.Tell(worker, run, tell, payload):
                if worker in self._workers:
                    self._workers[worker].tell(Tell(run, tell, payload))
            case k.Ack(run, n):
                self._runs.acknowledge(run, n)
                self._look_whether_idle()
            case k.Resume(run, after):
                self._delivery.flow(self._run(run), after)
            case k.Launch():
                self._launch(message)
            case k.SendInterrupt(worker, run):
                self._worker(worker).interrupt(run)
            case k.Stop(worker, grace_s, reason):
                self._worker(worker).stop(grace_s, reason)
            case k.Forget(worker):
                self._forget(worker)
            case k.WarmUp(interpreter):
                self._zygotes.warm_up(interpreter)
            case k.Quit():
                self._quitting = True
                self._look_whether_idle()
            case k.Greet():
                raise BadRequest("a greeting is not obeyed but answered")

    # ---- workers and runs ----------------------------------------------------------------------

    def _launch(self, launch: k.Launch) -> None:
        if launch.worker in self._seen:
            return
        if not is_id(launch.worker, "w"):
            raise BadRequest(f"{launch.worker[:60]!r} is not a worker id")
        if self._quitting:
            raise Unavailable("the keeper is leaving and starts no more workers")
        cgroup, refused = self._cgroup(launch)
        worker = self._workers[launch.worker] = Worker(
            launch,
            cgroup,
            loop=self._loop,
            children=self._children,
            runs=self._runs,
            delivery=self._delivery,
            changed=self._changed,
        )
        self._seen.add(launch.worker)
        self._look_whether_idle()
        if refused is None:
            self._zygotes.launch(worker)
        else:
            worker.could_not_start(refused)

    def _cgroup(self, launch: k.Launch) -> tuple[Cgroup | None, WorkerNotStarted | None]:
        """A limit that was asked for and cannot be had is a reason not to start; no cgroup otherwise is not."""
        limit = launch.spec.memory_bytes
        if self._cgroups is None:
            return None, None
        try:
            return self._cgroups.make(launch.worker, limit), None
        except OSError as err:
            journal.note(f"no cgroup for {launch.worker}: {err}")
            if limit is None:
                return None, None
            return None, WorkerNotStarted(f"its memory limit of {limit:,} bytes cannot be set: {err.strerror}")

    def _execute(self, message: k.Execute) -> None:
        if self._runs.seen(message.run):
            return
        worker = self._worker(message.worker)
        kept = self._runs.begin(message.run, message.worker)
        self._delivery.flow(kept, 0)
        worker.execute(kept, message.payload, aside=message.aside)

    def _forget(self, id: WorkerId) -> None:
        worker = self._workers.get(id)
        if worker is None:
            return
        if worker.state != "exited":
            raise BadRequest(f"worker {id} is {worker.state}: stop it first")
        del self._workers[id]
        self._runs.forget(id)
        self._look_whether_idle()

    def _changed(self, worker: Worker) -> None:
        report = worker.report()
        if report.exit is not None:
            journal.note(f"worker {worker.id} has ended: {report.exit.error.code}: {report.exit.error.message}")
            if worker.cgroup is not None:
                self._remove_cgroup(worker.cgroup, _CGROUP_TRIES)
        mine = [kept for kept in self._runs if kept.worker == worker.id]
        self._delivery.announce(k.WorkerChanged(report), mine)
        self._look_whether_idle()

    def _remove_cgroup(self, cgroup: Cgroup, tries: int) -> None:
        if not cgroup.remove() and tries:
            self._loop.after(_CGROUP_AGAIN_S, partial(self._remove_cgroup, cgroup, tries - 1))

    def _worker(self, id: WorkerId) -> Worker:
        worker = self._workers.get(id)
        if worker is None:
            raise NotFound(f"this keeper has no worker {id[:60]!r}")
        return worker

    def _run(self, id: RunId) -> KeptRun:
        kept = self._runs.get(id)
        if kept is None:
            known = "all of it was acknowledged" if self._runs.seen(id) else "it never was here"
            raise NotFound(f"this keeper has nothing of run {id[:60]!r}: {known}")
        return kept

    # ---- signals, and leaving ------------------------------------------------------------------

    def signalled(self, numbers: set[int]) -> None:
        """SIGCHLD: reap. SIGTERM: stop all workers and leave. Others are for people's terminals, not for us."""
        if signal.SIGCHLD in numbers:
            self._children.reap()
        if signal.SIGTERM in numbers and not self._quitting:
            self.end_all(SessionEnded("the keeper of that GPU host was told to end"))
        self._look_whether_idle()

    def end_all(self, why: FarcellError) -> None:
        """Stop all workers for this reason, start no more, and leave."""
        journal.note(f"stopping all workers: {why}")
        self._quitting = True
        for worker in list(self._workers.values()):
            worker.stop(_LAST_GRACE_S, why.info())
        self._look_whether_idle()

    @property
    def _working(self) -> bool:
        return any(worker.state != "exited" for worker in self._workers.values())

    def _look_whether_idle(self) -> None:
        if self._quitting and not self._working:
            self._cancel_idle()
            self._leave_soon()
        elif self._working or self._delivery.connected:
            self._cancel_idle()
        elif self._idle is None or self._idle.callback is None:
            patience_s = max(_UNFETCHED_S, self._idle_exit_s) if len(self._runs) else self._idle_exit_s
            self._idle = self._loop.after(patience_s, self._idle_over)

    def _leave_soon(self) -> None:
        """At once if the agent has been told everything it wants; it need not read for us to leave, though."""
        if self._delivery.idle:
            self._leave()
        elif not self._leaving:
            self._leaving = True
            self._loop.after(_LAST_WORDS_S, self._leave)

    def _leave(self) -> None:
        """Once what was killed has gone; until then whoever asks something is answered."""
        if not self._clearing:
            self._clearing = True
            self._clear_up(_LAST_TRIES)

    def _clear_up(self, tries: int) -> None:
        if self._is_cleared(tries):
            self._loop.leave()
        else:
            self._loop.after(_LAST_TRY_S, partial(self._clear_up, tries - 1))

    def _cancel_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()

    def _idle_over(self, tries: int = _LAST_TRIES) -> None:
        if self._is_cleared(tries):
            journal.note("leaving: no worker, and no agent has come")
            self._loop.leave()
        else:  # an agent that comes in this moment is welcome, and cancels it
            self._idle = self._loop.after(_LAST_TRY_S, partial(self._idle_over, tries - 1))

    def _is_cleared(self, tries: int) -> bool:
        """Whether nothing of our workers is left, or looking again would not help."""
        if self._cgroups is None or self._cgroups.clear():
            return True
        if not tries:
            journal.note(f"could not remove {self._cgroups.path}: something in it does not end")
        return not tries

    def close(self) -> None:
        """End what is left and remove what we made."""
        for worker in self._workers.values():
            worker.stop(0.0, None)
        self._zygotes.close()
        self._runs.close()
        if self._cgroups is not None:
            self._cgroups.clear()
