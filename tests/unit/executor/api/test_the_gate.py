"""Nothing is answered without a good token, whatever the route; and what a token opens ends with the token."""

import asyncio
import http.client
import json
import socket

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from farcell_executor.api.auth import REVOKED
from farcell_executor.api.routes import routes
from farcell_protocol.errors import Forbidden, Unauthorized
from farcell_protocol.ids import TokenId
from farcell_protocol.messages import api
from tests.unit.executor.service import MovedClock, Service, dial, request


def raw(
    service: Service, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, dict[str, object], http.client.HTTPMessage]:
    """A request with these headers only."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(service.socket_path)
    connection.request(method, path, body or None, {name.replace("_", "-"): value for name, value in headers.items()})
    with connection.getresponse() as answer:
        return answer.status, json.loads(answer.read() or b"null"), answer.headers


def every_route(service: Service) -> list[tuple[str, str]]:
    """(method, path) of all routes there are, the schema's and the websockets' too."""
    found = []
    for route in routes(service.executor).routes:
        methods = getattr(route, "methods", None) or ["WEBSOCKET"]
        found += [(method, route.path.replace("{", "x").replace("}", "x").replace(":str", "")) for method in methods]
    return found


async def test_every_route_is_refused_without_a_token_and_with_a_wrong_one(service: Service):
    known = every_route(service)
    assert ("POST", "/v1/runs") in known
    assert ("WEBSOCKET", "/v1/stream") in known
    assert any("schema" in path for _, path in known)
    good = service.token
    bad = [None, "", "x", good[:-1], good.partition(".")[0] + ".", "t-000000000000." + good.partition(".")[2]]
    for method, path in [*known, ("GET", "/"), ("GET", "/v1/nothing")]:
        for token in bad:
            if method == "WEBSOCKET":
                with pytest.raises(InvalidStatus) as refused:
                    async with dial(service.socket_path, path, token):
                        pass
                assert refused.value.response.status_code == 401
                assert json.loads(refused.value.response.body or b"")["code"] == "unauthorized"
            else:
                headers = {} if token is None else {"Authorization": f"Bearer {token}"}
                status, error, _ = await asyncio.to_thread(raw, service, method, path, **headers)
                assert (status, error["code"]) == (401, "unauthorized"), (method, path, token)


async def test_the_schema_names_every_route(service: Service):
    schema = await service.ask("GET", "/schema/openapi.json", dict)
    paths = {path.replace("{", "x").replace("}", "x") for path in schema["paths"]}
    rest = {path for method, path in every_route(service) if method != "WEBSOCKET" and "schema" not in path}
    assert rest == paths
    assert schema["components"]["schemas"]["RunRequest"]["required"] == ["payload", "python", "run"]


async def test_scopes_open_their_own_routes_only(service: Service):
    user, agent = await service.token_of("bob"), await service.token_of("host", "agent")
    for method, path, body in [
        ("POST", "/stop", None),
        ("POST", "/drain", None),
        ("GET", "/tokens", None),
        ("POST", "/tokens", {"user": "bob", "scope": "admin"}),
        ("DELETE", "/tokens/t-000000000000", None),
        ("POST", "/devices/simulate", {"gpus": "H100"}),
    ]:
        with pytest.raises(Forbidden):
            await service.ask(method, path, body=body, token=user)
    for path in ("/status", "/runs", "/nodes", "/sessions"):
        await service.ask("GET", path, token=user)
        with pytest.raises(Forbidden):
            await service.ask("GET", path, token=agent)
    for token, path in ((agent, "/v1/stream"), (user, "/v1/agents"), (service.token, "/v1/agents")):
        with pytest.raises(InvalidStatus) as refused:
            async with dial(service.socket_path, path, token):
                pass
        assert refused.value.response.status_code == 403


async def test_only_admins_see_where_the_executor_lives(service: Service):
    shown = await service.ask("GET", "/status", api.ExecutorView, token=await service.token_of("bob"))
    assert (shown.pid, shown.data_directory) == (None, "")
    assert (await service.ask("GET", "/status", api.ExecutorView)).pid is not None


async def test_a_revoked_token_closes_its_sockets_and_opens_nothing(service: Service):
    text = await service.token_of("bob")
    token = TokenId(text.partition(".")[0])
    async with service.stream(token=text) as mine, service.stream() as other:
        await service.ask("DELETE", f"/tokens/{token}", api.TokenView)
        with pytest.raises(ConnectionClosed) as closed:
            await mine.hear()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == REVOKED
        asked = request()
        await other.say(api.Submit(asked))
        assert (await other.until_ended(asked.run)).text == "hi\n"
    with pytest.raises(Unauthorized, match="revoked"):
        await service.ask("GET", "/status", token=text)


async def test_a_token_ends_when_it_expires(service: Service, clock: MovedClock):
    made = await service.ask("POST", "/tokens", api.TokenView, api.TokenRequest("bob", "user", expires_s=60.0))
    assert made.secret is not None
    await service.ask("GET", "/status", token=made.secret)
    clock.time += 60.0
    with pytest.raises(Unauthorized, match="expired"):
        await service.ask("GET", "/status", token=made.secret)


async def test_a_tokens_secret_is_shown_once_and_never_stored(service: Service):
    made = await service.ask("POST", "/tokens", api.TokenView, api.TokenRequest("bob", "user", "for tests"))
    assert made.secret is not None
    listed = await service.ask("GET", "/tokens", list[api.TokenView])
    assert [(token.user, token.note, token.secret) for token in listed] == [
        ("admin", "made at the first start", None),
        ("bob", "for tests", None),
    ]
    stored = await service.executor.tokens.all()
    assert made.secret.partition(".")[2].encode() not in b"".join(token.digest for token in stored)


async def test_the_first_admins_token_file_is_private(service: Service):
    assert service.executor.settings.places.token_file.stat().st_mode & 0o777 == 0o600
    assert service.executor.settings.places.executor_socket.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("header", ["2;2", "0;0", "nonsense", "1", ";"])
async def test_a_client_that_speaks_no_common_protocol_is_told_who_must_upgrade(service: Service, header: str):
    headers = {"Authorization": f"Bearer {service.token}", "Farcell_Protocol": header}
    status, error, answered = await asyncio.to_thread(raw, service, "GET", "/v1/status", **headers)
    expected = {
        "2;2": (426, "version-mismatch", "upgrade this executor"),
        "0;0": (426, "version-mismatch", "upgrade the farcell you call from"),
    }.get(header, (400, "bad-request", "NEWEST;OLDEST"))
    assert (status, error["code"]) == expected[:2]
    assert expected[2] in str(error["message"])
    assert answered["Farcell-Protocol"] == "1;1"


async def test_the_protocol_is_checked_on_websockets_too(service: Service):
    with pytest.raises(InvalidStatus) as refused:
        async with dial(service.socket_path, "/v1/stream", service.token, headers={"Farcell-Protocol": "9;9"}):
            pass
    assert refused.value.response.status_code == 426


async def test_a_web_page_is_turned_away_even_with_a_token(service: Service):
    headers = {"Authorization": f"Bearer {service.token}", "Origin": "http://evil.example"}
    status, error, _ = await asyncio.to_thread(raw, service, "GET", "/v1/status", **headers)
    assert (status, error["code"]) == (403, "forbidden")
    with pytest.raises(InvalidStatus) as refused:
        async with dial(service.socket_path, "/v1/stream", service.token, origin="http://evil.example"):
            pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/runs", b"{", 400, "bad-request"),
        ("/v1/runs", b'{"run": 3}', 400, "bad-request"),
        (
            "/v1/runs",
            b'{"run": "../x", "payload": "", "python": {"executable": "", "version": ""}}',
            400,
            "bad-request",
        ),
        ("/v1/runs", b"[" * 100_000, 400, "bad-request"),
        ("/v1/runs", b'{"run": "r-000000000000", "payload": ' + b'{"a":' * 100_000, 400, "bad-request"),
        ("/v1/status", b"{}", 405, "method-not-allowed"),
        ("/v1/nothing", b"", 404, "not-found"),
    ],
)
async def test_what_cannot_be_understood_is_an_error_with_a_code(
    service: Service, path: str, body: bytes, status: int, code: str
):
    headers = {"Authorization": f"Bearer {service.token}", "Content_Type": "application/json"}
    answered = await asyncio.to_thread(raw, service, "POST", path, body, **headers)
    assert (answered[0], answered[1]["code"]) == (status, code)


async def test_a_body_over_the_limit_is_too_large(service: Service):
    headers = {"Authorization": f"Bearer {service.token}", "Content_Type": "application/json"}
    answered = await asyncio.to_thread(raw, service, "POST", "/v1/runs", b" " * (97 * 2**20), **headers)
    assert (answered[0], answered[1]["code"]) == (413, "message-too-large")
