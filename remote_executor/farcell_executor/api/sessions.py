"""Sessions over REST."""

from litestar import Request, get, post
from litestar.datastructures import State

from farcell_executor.api.runs import Grace, Limit
from farcell_executor.executor import Executor
from farcell_executor.tokens import Identity
from farcell_protocol.ids import SessionId
from farcell_protocol.messages.api import SessionView

Asked = Request[Identity, Identity, State]


@get("/sessions")
async def list_sessions(
    request: Asked, executor: Executor, ended: bool = False, limit: Limit = 200
) -> list[SessionView]:
    """The caller's living sessions, with `ended` also those that are over; everybody's for an admin."""
    found = await executor.sessions.all(request.user, ended=ended, limit=limit)
    return [executor.views.session(session) for session in found]


@get("/sessions/{session:str}")
async def get_session(request: Asked, executor: Executor, session: str) -> SessionView:
    """One session."""
    return executor.views.session(await executor.sessions.get(request.user, SessionId(session)))


@post("/sessions/{session:str}/stop", status_code=202)
async def stop_session(request: Asked, executor: Executor, session: str, data: Grace | None = None) -> None:
    """Release it with everything in it; nothing if it has ended."""
    await executor.sessions.stop(request.user, SessionId(session), (data or Grace()).grace_s)
