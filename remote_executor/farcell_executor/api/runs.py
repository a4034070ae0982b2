"""Runs over REST. Following them live is `stream`."""

from typing import Annotated

import msgspec
from litestar import MediaType, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import Stream

from farcell_executor.api.asked import Asked, Here
from farcell_protocol.ids import RunId
from farcell_protocol.messages.api import RunRequest, RunView

Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="the newest so many")]


class Grace(msgspec.Struct, frozen=True):
    """How many seconds lie between the steps of a stop."""

    grace_s: float = 2.0


@post("/runs")
async def submit(request: Asked, executor: Here, data: JSONBody[RunRequest]) -> RunView:
    """Have a cell executed. The same run id again is the same run."""
    return executor.views.run(await executor.runs.submit(request.user, data))


@get("/runs")
async def list_runs(request: Asked, executor: Here, limit: Limit = 200) -> list[RunView]:
    """The caller's newest runs, oldest first; everybody's for an admin."""
    return [executor.views.run(run) for run in await executor.runs.all(request.user, limit)]


@get("/runs/{run:str}")
async def get_run(request: Asked, executor: Here, run: FromPath[str]) -> RunView:
    """One run."""
    found = await executor.runs.get(request.user, RunId(run))
    await executor.views.recall([found])
    return executor.views.run(found)


@post("/runs/{run:str}/interrupt", status_code=202)
async def interrupt(request: Asked, executor: Here, run: FromPath[str]) -> None:
    """SIGINT for its code; nothing if it has ended."""
    await executor.runs.interrupt(request.user, RunId(run))


@post("/runs/{run:str}/cancel", status_code=202)
async def cancel(request: Asked, executor: Here, run: FromPath[str], data: JSONBody[Grace | None] = None) -> None:
    """SIGINT, then SIGTERM and SIGKILL for its whole process tree, `grace_s` apart."""
    await executor.runs.cancel(request.user, RunId(run), (data or Grace()).grace_s)


@get("/runs/{run:str}/output", media_type=MediaType.TEXT)
async def output(request: Asked, executor: Here, run: FromPath[str], follow: FromQuery[bool] = False) -> Stream:
    """What it printed, as text; with `follow` until it ends, else up to now."""
    printed = await executor.runs.output(request.user, RunId(run), follow=follow)
    return Stream(printed, media_type=MediaType.TEXT)
