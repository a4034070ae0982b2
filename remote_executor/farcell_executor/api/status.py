"""Who answers here, and asking it to leave."""

from litestar import get, post

from farcell_executor.api.asked import Asked, Here
from farcell_executor.api.auth import admins_only
from farcell_protocol.messages.api import ExecutorView, Stopped
from farcell_protocol.version import OLDEST, PROTOCOL


@get("/status")
async def status(request: Asked, executor: Here) -> ExecutorView:
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
async def stop(executor: Here) -> Stopped:
    """End all sessions, then the executor. Answers once the workers are gone."""
    return await executor.stop()


@post("/drain", guards=[admins_only], status_code=202)
async def drain(executor: Here) -> Stopped:
    """End the executor's process. Workers go on, and the next executor on this data directory takes them over."""
    return executor.drain()
