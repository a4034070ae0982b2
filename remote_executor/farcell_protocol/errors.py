"""Every error that can cross between processes, with its stable reason code.

    FarcellError
    +-- BadRequest                bad-request            the request cannot be understood
    |   +-- BadSpec               bad-spec               the GPU specification cannot be read
    |   +-- NoDeviceFits          no-device-fits         no device here could ever hold it
    |   +-- SessionDiffers        session-differs        that session has other hardware or Python
    |   +-- ValueNotPicklable     value-not-picklable    named by its path, before anything is sent
    |   +-- ValuesTooLarge        values-too-large       more bytes than travel inline
    |   +-- PythonMismatch        python-mismatch        values cannot cross Python minor versions
    |   +-- ValuesNeedPython      values-need-python     names must travel, and the kernel is of another language
    |   +-- MethodNotAllowed      method-not-allowed     there is such an address, but nothing like that to do with it
    +-- NotFound                  not-found              no such run, session, node, device or token
    |   +-- Pruned                pruned                 the run ended long ago, and nothing of it is kept
    +-- Unauthorized              unauthorized           no token, or a wrong or revoked one
    +-- Forbidden                 forbidden              the token's scope, or another user's
    |   +-- DirectoryNotOurs      directory-not-ours     the data directory belongs to another user of the host
    +-- NodeIsConnected           node-is-connected      it cannot be removed while its agent is there
    +-- Unavailable               unavailable            draining, starting; worth trying again
    |   +-- ExecutorUnreachable   executor-unreachable   nobody answers at that address
    +-- DataDirectoryInUse        data-directory-in-use  another executor or keeper holds it
    +-- StoreError                store                  the executor's database cannot be read or written
    |   +-- SchemaTooNew          schema-too-new         a newer program wrote it
    +-- VersionMismatch           version-mismatch       the two sides speak no common protocol
    +-- FramingError              framing                bytes that are not a message
    |   +-- MessageTooLarge       message-too-large
    |   +-- StreamGap             stream-gap             frames are missing
    +-- RunFailure                run-failure            why a run ended without its own say
        +-- WorkerExited          worker-exited          the process left: `os._exit(3)`
        +-- WorkerKilled          worker-killed          a signal: a segfault, somebody's kill -9
        +-- OutOfMemory           out-of-memory          the kernel's out-of-memory killer
        +-- WorkerNotStarted      worker-not-started     it never became ready
        +-- KeeperLost            keeper-lost            the keeper died, and its workers with it
        +-- NodeLost              node-lost              the GPU host is gone
        +-- TimedOut              timed-out              over its --timeout
        +-- Cancelled             cancelled              somebody stopped it
        +-- SessionEnded          session-ended          its session was released or lost
        +-- DiskFailed            disk-failed            the run's output cannot be written or read
            +-- DiskFull          disk-full              no room for the run's output

A class exists if someone will catch it. The text says what happened and what to do; data is in
`fields`, which must be plain JSON values.
"""

from farcell_protocol.errorinfo import ErrorInfo as ErrorInfo
from farcell_protocol.errorinfo import FarcellError as FarcellError


class BadRequest(FarcellError):
    """The request cannot be understood, and sending it again will not help."""

    code = "bad-request"


class BadSpec(BadRequest):
    """The GPU specification cannot be read."""

    code = "bad-spec"


class NoDeviceFits(BadRequest):
    """No device here could ever hold this run, so waiting won't help."""

    code = "no-device-fits"


class SessionDiffers(BadRequest):
    """The named session exists with other hardware or another Python."""

    code = "session-differs"


class ValueNotPicklable(BadRequest):
    """A value the cell reads cannot travel; `path` leads to the part that cannot."""

    code = "value-not-picklable"


class ValuesTooLarge(BadRequest):
    """The values a cell reads are more than travel inline; the three largest are named."""

    code = "values-too-large"


class PythonMismatch(BadRequest):
    """Pickled values cannot cross Python minor versions; both are named."""

    code = "python-mismatch"


class ValuesNeedPython(BadRequest):
    """Names must travel, and the kernel has none that could: it is of another language, or lacks our package;
    `names` are those asked for."""

    code = "values-need-python"


class MethodNotAllowed(BadRequest):
    """The address exists, and is not for this method."""

    code = "method-not-allowed"


class NotFound(FarcellError):
    """There is no such run, session, node, device or token."""

    code = "not-found"


class Pruned(NotFound):
    """The run has ended, and what it printed is not kept any more; `ended` and `pruned` say when."""

    code = "pruned"


class Unauthorized(FarcellError):
    """No token came with the request, or it is wrong, expired or revoked."""

    code = "unauthorized"


class Forbidden(FarcellError):
    """The token is good, but not for this: its scope, or another user's run."""

    code = "forbidden"


class DirectoryNotOurs(Forbidden):
    """A directory of ours belongs to another user of this host, who could read or replace what is in it; `path`."""

    code = "directory-not-ours"


class NodeIsConnected(FarcellError):
    """A node cannot be removed while its agent is connected; `node`."""

    code = "node-is-connected"


class Unavailable(FarcellError):
    """Not now: the executor is starting or draining. Trying again may help."""

    code = "unavailable"


class ExecutorUnreachable(Unavailable):
    """Nobody answers at the executor's address."""

    code = "executor-unreachable"


class DataDirectoryInUse(FarcellError):
    """Another process holds the data directory; `pid` says which."""

    code = "data-directory-in-use"


class StoreError(FarcellError):
    """The executor's database could not be read or written; the cause says why, `path` which file. See `DiskFull`."""

    code = "store"


class SchemaTooNew(StoreError):
    """A newer program wrote this database, and this one would misread it; `path`, `schema`, `known`."""

    code = "schema-too-new"


class VersionMismatch(FarcellError):
    """The two sides speak no common version of the protocol."""

    code = "version-mismatch"


class FramingError(FarcellError):
    """Bytes arrived that are not a message."""

    code = "framing"


class MessageTooLarge(FramingError):
    """A message is over the size limit of its link."""

    code = "message-too-large"


class StreamGap(FramingError):
    """Frames are missing between what was received and what came next."""

    code = "stream-gap"


class RunFailure(FarcellError):
    """Why a run ended without a word of its own; `run` names it."""

    code = "run-failure"


class WorkerExited(RunFailure):
    """The worker's process left during the run; `exit_code` says with what."""

    code = "worker-exited"


class WorkerKilled(RunFailure):
    """A signal ended the worker during the run; `signal` says which."""

    code = "worker-killed"


class OutOfMemory(RunFailure):
    """The kernel's out-of-memory killer ended the worker; `limit_bytes` and `peak_bytes` where known."""

    code = "out-of-memory"


class WorkerNotStarted(RunFailure):
    """The worker never became ready."""

    code = "worker-not-started"


class KeeperLost(RunFailure):
    """The keeper of that GPU host died, and its workers with it."""

    code = "keeper-lost"


class NodeLost(RunFailure):
    """The GPU host is gone: rebooted, or away for longer than the grace."""

    code = "node-lost"


class TimedOut(RunFailure):
    """The run was over its time limit; `timeout_s` says which."""

    code = "timed-out"


class Cancelled(RunFailure):
    """Somebody stopped the run."""

    code = "cancelled"


class SessionEnded(RunFailure):
    """The session that held this was released or lost."""

    code = "session-ended"


class DiskFailed(RunFailure):
    """The disk that holds the output of runs takes or gives none: deleted, read-only, broken; `path`, `errno`."""

    code = "disk-failed"


class DiskFull(DiskFailed):
    """There was no room on disk for the run's output."""

    code = "disk-full"


def _tree(kind: type[FarcellError]) -> dict[str, type[FarcellError]]:
    found = {kind.code: kind}
    for child in kind.__subclasses__():
        found |= _tree(child)
    return found


BY_CODE: dict[str, type[FarcellError]] = _tree(FarcellError)
"""Every class of the tree by its code."""


def error_from(info: ErrorInfo) -> FarcellError:
    """The error that `info` describes, as its own class; an unknown code becomes a plain `FarcellError`."""
    kind = BY_CODE.get(info.code)
    if kind is not None:
        return kind(info.message, **info.fields)
    error = FarcellError(info.message, **info.fields)
    error.code = info.code  # type: ignore[misc]  # a newer peer's code, kept for whoever reads it
    return error
