"""Who may ask the server extension, and what never leaves it."""

import asyncio
from pathlib import Path

import pytest
from tornado.httpclient import HTTPClientError

from farcell_jupyter.extension import ROUTES
from farcell_protocol.messages import api
from tests.fakes.far_node import play
from tests.unit.executor.service import Service, request
from tests.unit.jupyter.server import TOKEN, JupyterServer

VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def every_route() -> list[tuple[str, str]]:
    """Each route with each verb that anybody could send."""
    paths = [path.replace(r"([\w-]+)", "r-0123456789ab") for path, _ in ROUTES]
    return [(verb, path) for path in paths for verb in VERBS]


def handler_of(path: str) -> type:
    return next(one for pattern, one in ROUTES if pattern.replace(r"([\w-]+)", "r-0123456789ab") == path)


def test_every_route_that_the_server_got_is_in_the_list(server: JupyterServer):
    served = {
        rule.matcher.regex.pattern
        for outer in server.app.web_app.wildcard_router.rules + server.app.web_app.default_router.rules
        for rule in getattr(outer.target, "rules", [outer])
        if hasattr(rule.matcher, "regex") and "farcell" in rule.matcher.regex.pattern
    }
    assert served == {f"/farcell/{path}$" for path, _ in ROUTES}


@pytest.mark.parametrize("headers", [{}, {"Authorization": "token wrong"}], ids=["no token", "a wrong one"])
async def test_every_verb_of_every_route_is_closed_to_who_has_no_token(server: JupyterServer, headers: dict[str, str]):
    for verb, path in every_route():
        handler = handler_of(path)
        # What is not offered at all needs no token to be refused.
        allowed = {403} if verb.lower() in vars(handler) else {403, 405}
        options = {"headers": headers, "allow_nonstandard_methods": True, "follow_redirects": False}
        response = await server.fetch(verb, f"farcell/{path}", **options)
        assert response.code in allowed, (verb, path, response.code)


async def test_a_verb_that_is_not_offered_is_no_way_in(server: JupyterServer):
    for verb, path in every_route():
        if verb.lower() not in vars(handler_of(path)):
            response = await server.fetch(verb, f"farcell/{path}", allow_nonstandard_methods=True)
            assert response.code == 405, (verb, path)


async def test_a_cookie_without_its_xsrf_token_changes_nothing(server: JupyterServer):
    logged_in = await server.fetch("GET", f"lab/tree?token={TOKEN}", headers={}, follow_redirects=False)
    cookie = "; ".join(line.partition(";")[0] for line in logged_in.headers.get_list("Set-Cookie"))
    assert "username-" in cookie
    headers = {"Cookie": cookie}
    assert (await server.fetch("GET", "farcell/runs", headers=headers)).code in (200, 403)
    simulate = await server.fetch("POST", "farcell/devices/simulate", {"gpus": "H100"}, headers=headers)
    assert simulate.code == 403


@pytest.mark.parametrize("path", ["runs", "status", "nodes"])
async def test_pages_of_other_origins_get_nothing(server: JupyterServer, path: str):
    headers = {"Authorization": f"token {TOKEN}", "Origin": "http://evil.example"}
    # A token in a header is a script's; a page of another origin has at most the cookie.
    logged_in = await server.fetch("GET", f"api?token={TOKEN}", headers={})
    headers = {
        "Cookie": "; ".join(line.partition(";")[0] for line in logged_in.headers.get_list("Set-Cookie")),
        "Origin": "http://evil.example",
    }
    assert (await server.fetch("GET", f"farcell/{path}", headers=headers)).code in (403, 404)


async def test_a_websocket_needs_a_token_and_our_own_origin(server: JupyterServer):
    for headers in ({"X-Nothing": ""}, {"Authorization": "token wrong"}):
        with pytest.raises(HTTPClientError, match="403"):
            async with server.live(**headers):
                pass
    logged_in = await server.fetch("GET", f"api?token={TOKEN}", headers={})
    cookie = "; ".join(line.partition(";")[0] for line in logged_in.headers.get_list("Set-Cookie"))
    with pytest.raises(HTTPClientError, match="403"):
        async with server.live(Cookie=cookie, Origin="http://evil.example"):
            pass


async def test_the_executors_token_is_in_nothing_that_is_ever_answered(server: JupyterServer, service: Service):
    asked = request(play("x\n"))
    await service.ask("POST", "/runs", api.RunView, asked)
    for verb, path in every_route():
        await server.fetch(verb, f"farcell/{path}", {"gpus": "H100 "}, allow_nonstandard_methods=True)
    async with server.live() as browser:
        await browser.until("up")
        await browser.say("watch")
        await browser.until("fleet")
        await browser.say("follow", run=asked.run)
        await browser.until("changed")
        await browser.say("submit", request={})
        await browser.until("refused")
    said = "\n".join(server.heard)
    secret = service.token.partition(".")[2]
    assert len(said) > 1000
    assert len(secret) >= 40
    assert secret not in said


async def test_an_executor_that_refuses_our_token_does_not_look_like_a_log_out(
    server: JupyterServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FARCELL_TOKEN", "t-000000000000.wrong-wrong-wrong-wrong")
    assert await server.refusal("GET", "runs") == (502, "unauthorized")
    async with server.live() as browser:
        down = await browser.until("down")
    assert down["error"]["code"] == "unauthorized"
    assert "wrong-wrong" not in "\n".join(server.heard)


async def test_without_an_executor_every_answer_says_why_and_what_to_do(
    server: JupyterServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FARCELL_URL", f"unix://{tmp_path}/nobody.sock")
    assert await server.refusal("GET", "runs") == (503, "executor-unreachable")
    assert await server.refusal("GET", "runs/r-0123456789ab/output") == (503, "executor-unreachable")
    monkeypatch.setenv("FARCELL_URL", "gopher://x")
    assert await server.refusal("GET", "status") == (400, "bad-request")
    async with asyncio.timeout(10), server.live() as browser:
        assert (await browser.until("down"))["error"]["code"] == "bad-request"
