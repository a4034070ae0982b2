"""Who answers here, and asking it to leave."""

from litestar import Request, get, post
from litestar.datastructures import State

from farcell_executor.api.auth import admins_only
from farcell_executor.executor import Executor
from farcell_executor.tokens import Identity
from farcell_protocol.messages.api import ExecutorView
from farcell_protocol.version import OLDEST, PROTOCOL

Asked = Request[Identity, Identity, State]


@get("/status")
async def status(request: Asked, executor: Executor) -> ExecutorView:
    """Who answers here; its process and folder for admins."""
    view = ExecutorView(
        version=executor.version,
        protocol=PROTOCOL,
        oldest_protocol=OLDEST,
        started=executor.started,
        draining=executor.runs.draining,
        idle_exit_s=executor.settings.idle_exit_s,
    )
    return executor.about_itself(view) if request.user.admin else view


@post("/stop", guards=[admins_only], status_code=202)
async def stop(executor: Executor) -> None:
    """End all sessions, then the executor. Answers once the workers are gone."""
    await executor.stop()


@post("/drain", guards=[admins_only], status_code=202)
async def drain(executor: Executor) -> None:
    """End the executor's process. Workers go on, and the next executor on this data directory takes them over."""
    executor.drain()
