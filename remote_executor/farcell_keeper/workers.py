"""One worker: starting, ready, exited; its runs, its signals, and how it ends.

However it goes, a worker ends once: its last bytes are drained, each unfinished run gets its `End`, and
only then whoever listens is told.
"""

import os
from collections.abc import Callable
from typing import Literal

from farcell_keeper import endings, journal
from farcell_keeper.cgroups import Cgroup
from farcell_keeper.channels import Channel
from farcell_keeper.conversations import Conversation
from farcell_keeper.delivery import Delivery
from farcell_keeper.force import Force
from farcell_keeper.loop import Loop
from farcell_keeper.output import Tail
from farcell_keeper.processes import Children, kill_all
from farcell_keeper.runs import KeptRun, Runs
from farcell_keeper.trees import Tree
from farcell_keeper.turns import Turns
from farcell_protocol.errors import ErrorInfo, NotFound, WorkerKilled, WorkerNotStarted
from farcell_protocol.framing import encode
from farcell_protocol.ids import RunId
from farcell_protocol.messages.keeping import Exit, Launch, WorkerReport
from farcell_protocol.messages.work import Began, Failed, Fork, Hello, Tell, Work

START_TIMEOUT_S = 30.0
_REPORT_PATIENCE_S = 2.0
"""How long a worker may have closed its socket without its supervisor saying why."""


class Worker:
    """`changed` is called when it has become ready and when it has ended."""

    def __init__(
        self,
        launch: Launch,
        cgroup: Cgroup | None,
        *,
        loop: Loop,
        children: Children,
        runs: Runs,
        delivery: Delivery,
        changed: Callable[["Worker"], None],
    ) -> None:
        self.id = launch.worker
        self.spec = launch.spec
        self.cgroup = cgroup
        self.state: Literal["starting", "ready", "exited"] = "starting"
        self.fallback = ""
        self.retry: Callable[[Worker], None] | None = None
        self.output: Tail | None = None
        self._loop = loop
        self._runs = runs
        self._delivery = delivery
        self._changed = changed
        self._channel: Channel | None = None
        self._hello: Hello | None = None
        self._tree = Tree(loop, children, cgroup, ended=self._look_whether_gone)
        self._force = Force(loop, self._tree, killed=self._look_whether_gone, given_up=self._finish)
        self._turns = Turns(give=self._send, interrupt=self._tree.interrupt)
        self._conversation = Conversation(
            self.id, runs, delivery, heard=self._heard, ended=self._turns.ended, broken=self._broken
        )
        self._reason: ErrorInfo | None = None
        self._stopped = False
        self._exit: Exit | None = None
        self._start_timer = loop.after(START_TIMEOUT_S, self._not_in_time)

    # ---- being started -------------------------------------------------------------------------

    def open_channel(self) -> list[int]:
        """A socket and a status pipe for the next attempt: [worker's end, status pipe's writing end], the
        caller's to close. Those of an attempt before are closed, so that it can never be the worker."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        self._channel = Channel(
            self._loop,
            received=self._conversation.received,
            closed=self._socket_closed,
            reported=self._look_whether_gone,
        )
        return self._channel.take_child_ends()

    def fork_message(self) -> Fork:
        """The order for a zygote or a fresh process, with the whole environment."""
        procs, counter = ([self.cgroup.procs], self.cgroup.oom_counter) if self.cgroup else ([], "")
        return Fork(self.id, self.spec.cwd, {**os.environ, **self.spec.env}, procs, counter)

    def send_first(self, message: Fork) -> None:
        """The first record of a fresh process."""
        if self._channel is not None:
            self._channel.link.send(encode(message))

    def supervised_by(self, pid: int) -> None:
        """Our child `pid` watches over it, or stands in for who does."""
        if self.state == "exited":
            kill_all([pid])
            return
        self.retry = None
        self._tree.supervised_by(pid)
        self._force.appeared()

    def could_not_start(self, error: WorkerNotStarted) -> None:
        """There is no process, and there will be none."""
        self._reason = self._reason or error.info()
        self._finish()

    # ---- work ----------------------------------------------------------------------------------

    def execute(self, kept: KeptRun, payload: bytes, *, aside: bool = False) -> None:
        """Have it executed when its turn comes; if the worker has ended, the run ends with it."""
        if self._exit is not None:
            self._runs.finish(kept, endings.too_late(self._exit))
            self._delivery.finished(kept)
            return
        self._turns.add(kept, payload, aside=aside)

    def tell(self, tell: Tell) -> None:
        """Pass something on to a run that it executes; dropped otherwise: whoever sent it sends it again."""
        if self._turns.has(tell.run):
            self._send(tell)

    def _send(self, message: Work | Tell) -> None:
        if self._channel is not None:
            self._channel.link.send(encode(message))

    def interrupt(self, run: RunId) -> None:
        """SIGINT for this very run, when it has begun; nothing if it has ended.

        Raises:
            NotFound: there never was such a run.
        """
        if not self._turns.interrupt(run) and not self._runs.seen(run):
            raise NotFound(f"worker {self.id} has no run {run}")

    # ---- being ended ---------------------------------------------------------------------------

    def stop(self, grace_s: float, reason: ErrorInfo | None) -> None:
        """End it, by SIGKILL after `grace_s`; see `Force`. Its unfinished runs end for the first reason given."""
        if self.state == "exited":
            return
        self._stopped = True
        self._reason = self._reason or reason
        if self._channel is None:
            self._finish()
        else:
            self._force.stop(grace_s)

    def _kill(self) -> None:
        if self._channel is None:
            self._finish()
        else:
            self._force.kill()

    def _broken(self, error: ErrorInfo) -> None:
        journal.note(f"ending worker {self.id}: {error.message}")
        self._reason = self._reason or error
        self._kill()

    def _not_in_time(self) -> None:
        why = f"the worker was not ready after {START_TIMEOUT_S:.0f} s"
        self._broken(WorkerNotStarted(why + self._said(), timeout_s=START_TIMEOUT_S).info())

    # ---- what it says --------------------------------------------------------------------------

    def _heard(self, message: Hello | Began | Failed) -> None:
        match message:
            case Hello():
                self._greeted(message)
            case Began(run):
                self._turns.began(run)
            case Failed(_, error) if self.state == "starting":
                self._broken(error)

    def _greeted(self, hello: Hello) -> None:
        if self.state != "starting" or self._hello is not None or self._channel is None:
            return
        link = self._channel.link
        self._hello = hello
        self.retry = None
        self._tree.main_is(link.sender_pid, isolated=hello.isolation == "namespaces")
        link.ask_for_sender(False)
        if self._force.used:
            self._force.appeared()
            return
        self.state = "ready"
        self._start_timer.cancel()
        self._turns.open()
        self._changed(self)

    # ---- its end -------------------------------------------------------------------------------

    def _socket_closed(self, _why: str) -> None:
        """It has left, or is about to: its supervisor will say how. If not, it is ended."""
        if self._channel is not None and self._channel.link.broken:
            self._conversation.no_message(self._channel.link.broken)
        self._loop.after(_REPORT_PATIENCE_S, self._no_report)
        self._look_whether_gone()

    def _no_report(self) -> None:
        if self.state == "exited" or self._channel is None or self._channel.link.open:
            return
        if self.cgroup is not None and self.cgroup.oom_kills():
            self._kill()  # a host out of memory is slow: its supervisor has not had the time to say so
        else:
            self._broken(WorkerKilled("the worker closed its connection to the keeper, and was ended").info())

    def _look_whether_gone(self) -> None:
        """End it in our books once its processes have ended; otherwise see to it that they do."""
        channel = self._channel
        if self.state == "exited" or channel is None or not channel.closed_status:
            return
        if self.retry is not None and not self._force.used:
            retry, self.retry = self.retry, None
            retry(self)
        elif not self._tree.alive:
            channel.link.drain()
            self._finish()
        elif channel.status is None and not self._force.used:
            self._kill()  # the supervisor was killed, so it ends nobody any more
        else:
            self._force.kill_unless_gone_in(_REPORT_PATIENCE_S)

    def _finish(self) -> None:
        if self.state == "exited":
            return
        self._exit = endings.exit_of(self._death())
        self.state = "exited"
        self._start_timer.cancel()
        self._force.close()
        if self._channel is not None:
            self._channel.close()
        self._tree.close()
        for kept in self._turns:
            self._runs.finish(kept, endings.end_of(self._exit))
            self._delivery.finished(kept)
        self._turns.close()
        self._changed(self)

    def _death(self) -> endings.Death:
        status = self._channel.status if self._channel else None
        counted = self.cgroup.oom_kills() if self.cgroup else 0
        return endings.Death(
            wait_status=status.wait_status if status else None,
            supervisor_status=self._tree.supervisor_status,
            ready=self._hello is not None,
            stopped=self._stopped,
            reason=self._reason,
            oom_kills=max(counted, (status.oom_kills or 0) if status else 0),
            limit_bytes=self.cgroup.limit_bytes if self.cgroup else None,
            peak_bytes=self.cgroup.peak_bytes() if self.cgroup else None,
            said=self.output.said() if self.output else "",
        )

    def _said(self) -> str:
        said = self.output.said() if self.output else ""
        return f"; its last words:\n{said}" if said else ""

    def report(self) -> WorkerReport:
        """What the agent is told of it."""
        hello, main = self._hello, self._tree.main
        return WorkerReport(
            worker=self.id,
            state=self.state,
            spec=self.spec,
            pid=main.pid if main else None,
            start_ticks=main.start_ticks if main else None,
            pid_namespace=hello.pid_namespace if hello else None,
            isolation=hello.isolation if hello else "",
            started_by=hello.started_by if hello else "",
            fallback=self.fallback or (hello.why_not if hello else ""),
            python=hello.python if hello else "",
            running=self._turns.running,
            exit=self._exit,
        )
