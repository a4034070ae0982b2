"""Tokens over REST; admins only."""

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from farcell_executor.api.asked import Here
from farcell_executor.api.auth import admins_only
from farcell_executor.views import token_view
from farcell_protocol.errors import BadRequest
from farcell_protocol.ids import TokenId, is_id
from farcell_protocol.messages.api import TokenRequest, TokenView


@get("/tokens", guards=[admins_only])
async def list_tokens(executor: Here) -> list[TokenView]:
    """All tokens, without their secrets."""
    return [token_view(token) for token in await executor.tokens.all()]


@post("/tokens", guards=[admins_only])
async def create_token(executor: Here, data: JSONBody[TokenRequest]) -> TokenView:
    """Make a token. Its secret is in this answer and nowhere else."""
    if not data.user.strip():
        raise BadRequest("a token belongs to a user: `user` is empty")
    if data.expires_s is not None and not data.expires_s > 0:
        raise BadRequest(f"expires_s is {data.expires_s}: it must be more than 0 seconds")
    if data.node is not None and not (data.scope == "agent" and is_id(data.node, "n")):
        raise BadRequest(f"node {data.node!r}: only an agent's token speaks for a node, and a node's id begins with n-")
    token, text = await executor.tokens.create(data.user, data.scope, data.note, data.expires_s, data.node)
    return token_view(token, secret=text)


@delete("/tokens/{token:str}", guards=[admins_only], status_code=200)
async def revoke_token(executor: Here, token: FromPath[str]) -> TokenView:
    """Make a token worthless and close every socket opened with it."""
    return token_view(await executor.tokens.revoke(TokenId(token)))
