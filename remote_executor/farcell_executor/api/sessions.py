"""Sessions over REST."""

from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody

from farcell_executor.api.asked import Asked, Here
from farcell_executor.api.runs import Grace, Limit
from farcell_protocol.ids import SessionId
from farcell_protocol.messages.api import SessionView


@get("/sessions")
async def list_sessions(
    request: Asked, executor: Here, ended: FromQuery[bool] = False, limit: Limit = 200
) -> list[SessionView]:
    """The caller's living sessions, with `ended` also those that are over; everybody's for an admin."""
    found = await executor.sessions.all(request.user, ended=ended, limit=limit)
    await executor.views.recall(found)
    return [executor.views.session(session) for session in found]


@get("/sessions/{session:str}")
async def get_session(request: Asked, executor: Here, session: FromPath[str]) -> SessionView:
    """One session."""
    found = await executor.sessions.get(request.user, SessionId(session))
    await executor.views.recall([found])
    return executor.views.session(found)


@post("/sessions/{session:str}/stop", status_code=202)
async def stop_session(
    request: Asked, executor: Here, session: FromPath[str], data: JSONBody[Grace | None] = None
) -> None:
    """Release it with everything in it; nothing if it has ended."""
    await executor.sessions.stop(request.user, SessionId(session), (data or Grace()).grace_s)
