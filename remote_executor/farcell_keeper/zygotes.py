"""One warm parent per interpreter that forks workers, and the fresh process where there is none."""

import os
import socket
from collections.abc import Callable

import msgspec

from farcell_keeper import journal
from farcell_keeper.endings import signal_name
from farcell_keeper.links import Link
from farcell_keeper.loop import Loop, Timer
from farcell_keeper.output import Tail
from farcell_keeper.processes import Children, kill_all, spawn
from farcell_keeper.workers import Worker
from farcell_protocol.errors import FramingError, WorkerNotStarted
from farcell_protocol.framing import encode, unpack
from farcell_protocol.ids import WorkerId
from farcell_protocol.messages.work import Forked, ForkRefused, FromZygote, ZygoteReady

READY_TIMEOUT_S = 20.0
FORK_TIMEOUT_S = 10.0
_EXIT_PATIENCE_S = 0.5
"""Between a zygote closing its socket and being killed: its own exit status explains more."""
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 60.0

_decoder: "msgspec.msgpack.Decoder[FromZygote]" = msgspec.msgpack.Decoder(FromZygote)


def pause_s(failures: int) -> float:
    """How long a zygote that died `failures` times without making a worker is not started again."""
    return min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** (min(failures, 20) - 1)) if failures else 0.0


class Zygote:
    """One zygote process, from its start to its death.

    `start_fresh` gets each worker that it will not make, with the reason; `ended` is called once when
    it is dead.
    """

    def __init__(
        self,
        interpreter: str,
        *,
        loop: Loop,
        children: Children,
        start_fresh: Callable[[Worker, str], None],
        ended: Callable[["Zygote", str], None],
    ) -> None:
        self.interpreter = interpreter
        self.has_forked = False
        self._loop = loop
        self._start_fresh = start_fresh
        self._tell_ended = ended
        self._ready = False
        self._waiting: list[Worker] = []
        self._forking: dict[WorkerId, tuple[Worker, Timer]] = {}
        self._tail = Tail(loop)
        self._pid: int | None = None
        self._start(children)

    def _start(self, children: Children) -> None:
        try:
            ours, self._pid = self._spawn()
        finally:
            self._tail.close_writer()
        self._link = Link(self._loop, ours, received=self._received, closed=self._socket_closed)
        self._timer = self._loop.after(READY_TIMEOUT_S, self._not_ready)
        children.expect(self._pid, self._ended)

    def _spawn(self) -> tuple[socket.socket, int]:
        ours, theirs = socket.socketpair()
        with theirs:
            fd = theirs.fileno()
            arguments = [self.interpreter, "-m", "farcell_worker.zygote", "--fd", str(fd)]
            try:
                return ours, spawn(arguments, inherit=[fd], output_fd=self._tail.writer_fd)
            except BaseException:
                ours.close()
                raise

    def make(self, worker: Worker) -> None:
        """Fork this worker, as soon as the zygote is warm."""
        if self._ready:
            self._fork(worker)
        else:
            self._waiting.append(worker)

    def kill(self) -> None:
        """End it; the workers it made do not notice."""
        if self._pid is not None:
            kill_all([self._pid])

    def _fork(self, worker: Worker) -> None:
        if worker.state != "starting":
            return
        try:
            fds = worker.open_channel()
        except OSError as err:
            worker.could_not_start(WorkerNotStarted(f"the keeper cannot connect another worker: {err}"))
            return
        timer = self._loop.after(FORK_TIMEOUT_S, self._not_forked)
        self._forking[worker.id] = (worker, timer)
        worker.retry = self._fork_failed
        self._link.send(encode(worker.fork_message()), fds)

    def _received(self, bodies: list[bytes]) -> None:
        for body in bodies:
            try:
                self._obey(unpack(body, _decoder, who=f"the zygote of {self.interpreter}"))
            except FramingError as err:
                journal.note(str(err))
                self.kill()

    def _obey(self, message: FromZygote) -> None:
        if isinstance(message, ZygoteReady):
            self._timer.cancel()
            self._ready = True
            waiting, self._waiting = self._waiting, []
            for worker in waiting:
                self._fork(worker)
            return
        found = self._forking.pop(message.worker, None)
        if isinstance(message, Forked):
            self._forked(message, found)
        elif found is not None:
            self._refused(message, *found)

    def _forked(self, message: Forked, found: tuple[Worker, Timer] | None) -> None:
        self.has_forked = True
        if found is None:
            kill_all([message.pid])
            return
        worker, timer = found
        timer.cancel()
        worker.supervised_by(message.pid)

    def _refused(self, message: ForkRefused, worker: Worker, timer: Timer) -> None:
        timer.cancel()
        worker.retry = None
        self._start_fresh(worker, f"the zygote refused to fork: {message.why}")

    def _fork_failed(self, worker: Worker) -> None:
        """Nobody holds the worker's status pipe any more: refused, died at once, or the zygote is dead."""
        self._link.drain()
        found = self._forking.pop(worker.id, None)
        if found is not None:
            found[1].cancel()
            self._start_fresh(worker, "the zygote died while forking it")

    def _not_ready(self) -> None:
        journal.note(f"the zygote of {self.interpreter} is not ready after {READY_TIMEOUT_S:.0f} s; killing it")
        self.kill()

    def _not_forked(self) -> None:
        journal.note(f"the zygote of {self.interpreter} does not answer; killing it")
        self.kill()

    def _socket_closed(self, _why: str) -> None:
        self._loop.after(0 if self._link.broken else _EXIT_PATIENCE_S, self.kill)

    def _ended(self, status: int) -> None:
        self._pid = None
        self._timer.cancel()
        self._link.drain()
        # Closing it also closes the descriptors still on their way, which is how the workers being forked hear of it.
        self._link.close()
        if self._link.broken:
            how = f"sent what is no message: {self._link.broken}"
        elif os.WIFSIGNALED(status):
            how = f"was killed by {signal_name(os.WTERMSIG(status))}"
        else:
            how = f"left with exit code {os.waitstatus_to_exitcode(status)}"
        said = self._tail.said()
        why = f"the zygote of {self.interpreter} {how}" + (f": {said.splitlines()[-1]}" if said else "")
        self._tell_ended(self, why)
        for worker in self._waiting:
            self._start_fresh(worker, why)


class Zygotes:
    """The zygotes of this keeper. One that keeps dying is started again ever more rarely."""

    def __init__(self, loop: Loop, children: Children) -> None:
        self._loop = loop
        self._children = children
        self._living: dict[str, Zygote] = {}
        self._failures: dict[str, int] = {}
        self._not_before: dict[str, tuple[float, str]] = {}
        self._closed = False

    def warm_up(self, interpreter: str) -> str:
        """Have a zygote of this interpreter, ready or on its way; the reason why not, or nothing."""
        if interpreter in self._living:
            return ""
        due, why = self._not_before.get(interpreter, (0.0, ""))
        if self._loop.clock() < due:
            return why
        try:
            self._living[interpreter] = Zygote(
                interpreter,
                loop=self._loop,
                children=self._children,
                start_fresh=self.start_fresh,
                ended=self._ended,
            )
        except (OSError, ValueError) as err:
            why = f"the zygote of {interpreter} cannot be started: {err}"
            self._failed(interpreter, why)
            return why
        return ""

    def launch(self, worker: Worker) -> None:
        """Make a worker, from a zygote if possible."""
        interpreter = worker.spec.interpreter
        why_not = self.warm_up(interpreter)
        if why_not:
            self.start_fresh(worker, why_not)
        else:
            self._living[interpreter].make(worker)

    def start_fresh(self, worker: Worker, why: str) -> None:
        """Make a worker without a zygote; `why` goes into its report."""
        if worker.state != "starting" or self._closed:
            return
        journal.note(f"starting {worker.id} as a fresh process: {why}")
        worker.fallback = why
        try:
            pid = self._spawn_fresh(worker)
        except (OSError, ValueError) as err:
            text = f"{worker.spec.interpreter!r} cannot be executed: {err}"
            worker.could_not_start(WorkerNotStarted(text, interpreter=worker.spec.interpreter))
            return
        worker.send_first(worker.fork_message())
        worker.supervised_by(pid)

    def _spawn_fresh(self, worker: Worker) -> int:
        tail = Tail(self._loop)
        fds: list[int] = []
        try:
            fds = worker.open_channel()
            ends = ["--worker-fd", str(fds[0]), "--status-fd", str(fds[1])]
            arguments = [worker.spec.interpreter, "-m", "farcell_worker", *ends]
            worker.output = tail
            return spawn(arguments, inherit=fds, output_fd=tail.writer_fd)
        finally:
            tail.close_writer()
            for fd in fds:
                os.close(fd)

    def close(self) -> None:
        """End all of them."""
        self._closed = True
        for zygote in self._living.values():
            zygote.kill()

    def _ended(self, zygote: Zygote, why: str) -> None:
        journal.note(why)
        del self._living[zygote.interpreter]
        if zygote.has_forked:
            self._failures.pop(zygote.interpreter, None)
        self._failed(zygote.interpreter, why)

    def _failed(self, interpreter: str, why: str) -> None:
        failures = self._failures[interpreter] = self._failures.get(interpreter, 0) + 1
        self._not_before[interpreter] = (self._loop.clock() + pause_s(failures), why)
