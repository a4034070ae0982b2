"""How a worker ended, in words and numbers, and how its unfinished runs then end. Pure."""

import os
import signal
from dataclasses import dataclass

from farcell_protocol.errors import (
    Cancelled,
    ErrorInfo,
    FarcellError,
    OutOfMemory,
    SessionEnded,
    TimedOut,
    WorkerExited,
    WorkerKilled,
    WorkerNotStarted,
)
from farcell_protocol.frames import End, Outcome
from farcell_protocol.messages.keeping import Exit

MiB = 2**20
_LOST = "the session's variables are lost"
_OUTCOMES: dict[str, Outcome] = {Cancelled.code: "cancelled", TimedOut.code: "timed-out"}


@dataclass(frozen=True)
class Death:
    """What is known of a worker that is gone.

    `wait_status` is its main process's, as its supervisor saw it; `supervisor_status` is known only
    if the supervisor said nothing. `stopped` says that a `Stop` came first, with `reason` its reason;
    a `reason` without `stopped` is our own for having killed it. `said` are its last words on standard error.
    """

    wait_status: int | None = None
    supervisor_status: int | None = None
    ready: bool = True
    stopped: bool = False
    reason: ErrorInfo | None = None
    oom_kills: int = 0
    limit_bytes: int | None = None
    peak_bytes: int | None = None
    said: str = ""


def exit_of(death: Death) -> Exit:
    """The worker's `Exit`: what was asked for comes first, then what was found out, then what can be guessed."""
    code, number = _code_and_signal(death)
    return Exit(error=_error(death, code, number), expected=death.stopped, exit_code=code, signal=number)


def end_of(exit: Exit) -> End:
    """The last frame of a run that was unfinished when its worker ended so."""
    return End(outcome=_OUTCOMES.get(exit.error.code, "lost"), reason=exit.error)


def too_late(exit: Exit) -> End:
    """The only frame of a run that came when its worker had already ended so, or had never begun."""
    code = exit.error.code
    if code == WorkerNotStarted.code:
        return end_of(exit)
    why = exit.error.message
    ended = SessionEnded(f"the session had ended before this run began: {why}", cause=code)
    return End(outcome="lost", reason=ended.info())


def signal_name(number: int) -> str:
    """SIGSEGV for 11; real-time signals have no names."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _code_and_signal(death: Death) -> tuple[int | None, int | None]:
    status = death.wait_status
    if status is None:
        return None, None
    if os.WIFSIGNALED(status):
        return None, os.WTERMSIG(status)
    return os.waitstatus_to_exitcode(status), None


def _error(death: Death, code: int | None, number: int | None) -> ErrorInfo:
    if death.reason is not None:
        return death.reason
    if death.stopped:
        return SessionEnded(f"the session was stopped; {_LOST}").info()
    return _found(death, code, number).info()


def _found(death: Death, code: int | None, number: int | None) -> FarcellError:
    killed = number == signal.SIGKILL or (death.wait_status is None and death.supervisor_status is not None)
    if killed and death.oom_kills > 0:
        return _out_of_memory(death)
    if not death.ready:
        how = _how(code, number) or _supervisor_how(death)
        words = f"; its last words:\n{death.said}" if death.said else ""
        return WorkerNotStarted(f"the worker's process {how} before it was ready{words}", exit_code=code, signal=number)
    if number is not None:
        return _killed(number)
    if code is not None:
        return WorkerExited(
            f"the worker's process left with exit code {code}: os._exit or a crash in C code; {_LOST}",
            exit_code=code,
        )
    return WorkerKilled(
        f"the worker is gone without a word ({_supervisor_how(death)}): "
        f"somebody killed the process that watched over it; {_LOST}",
        signal=None,
    )


def _killed(number: int) -> WorkerKilled:
    crashes = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL)
    whence = "a crash in C code" if number in crashes else "sent by somebody on that host, or by the code itself"
    return WorkerKilled(
        f"the worker was killed by {signal_name(number)}, {whence}; {_LOST}",
        signal=number,
        signal_name=signal_name(number),
    )


def _out_of_memory(death: Death) -> OutOfMemory:
    limit = f" its limit of {_mib(death.limit_bytes)}" if death.limit_bytes is not None else " what the host had left"
    peak = f", having used up to {_mib(death.peak_bytes)}" if death.peak_bytes is not None else ""
    return OutOfMemory(
        f"the worker needed more memory than{limit}{peak}, and the kernel's out-of-memory killer ended it; {_LOST}",
        limit_bytes=death.limit_bytes,
        peak_bytes=death.peak_bytes,
    )


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / MiB:,.0f} MiB"


def _how(code: int | None, number: int | None) -> str:
    if number is not None:
        return f"was killed by {signal_name(number)}"
    return f"left with exit code {code}" if code is not None else ""


def _supervisor_how(death: Death) -> str:
    status = death.supervisor_status
    if status is None:
        return "closed its connection"
    if os.WIFSIGNALED(status):
        return f"was killed by {signal_name(os.WTERMSIG(status))}"
    return f"left with exit code {os.waitstatus_to_exitcode(status)}"
