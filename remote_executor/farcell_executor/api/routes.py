"""All routes in one place, under /v1, behind the gate."""

from typing import Any

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from farcell_executor.api import agents, errors, nodes, runs, sessions, status, stream, tokens
from farcell_executor.api.auth import Gate, people_only
from farcell_executor.executor import Executor
from farcell_protocol.errors import FarcellError

MAX_BODY_BYTES = 96 * 2**20
"""Room for the largest payload in base 64."""

_FOR_PEOPLE: list[Any] = [
    status.status,
    status.stop,
    status.drain,
    runs.submit,
    runs.list_runs,
    runs.get_run,
    runs.interrupt,
    runs.cancel,
    runs.output,
    sessions.list_sessions,
    sessions.get_session,
    sessions.stop_session,
    nodes.list_nodes,
    nodes.remove_node,
    nodes.simulate,
    tokens.list_tokens,
    tokens.create_token,
    tokens.revoke_token,
    stream.stream,
]


def routes(executor: Executor) -> Litestar:
    """The routes without their gate."""

    def provide() -> Executor:
        return executor

    return Litestar(
        route_handlers=[
            Router("/v1", route_handlers=_FOR_PEOPLE, guards=[people_only]),
            Router("/v1", route_handlers=[agents.agents]),
        ],
        dependencies={"executor": Provide(provide, sync_to_thread=False)},
        exception_handlers={
            FarcellError: errors.answer_our_error,
            HTTPException: errors.answer_http_error,
            RecursionError: errors.answer_too_deep,
            Exception: errors.answer_fault,
        },
        openapi_config=OpenAPIConfig(
            title="Farcell executor",
            version=executor.version,
            path="/v1/schema",
            render_plugins=[JsonRenderPlugin()],
            components=Components(security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}),
            security=[{"token": []}],
        ),
        request_max_body_size=MAX_BODY_BYTES,
        logging_config=None,
    )


def api(executor: Executor) -> Gate:
    """The whole API as one ASGI application."""
    return Gate(routes(executor), executor.tokens, executor.settings, executor.idle.touch)
