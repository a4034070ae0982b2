"""Bearer tokens: made, checked, revoked; and the open sockets that live no longer than their token."""

import asyncio
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from farcell_executor.model import Token
from farcell_executor.store.base import TokenStore
from farcell_protocol.errors import Forbidden, NotFound, Unauthorized
from farcell_protocol.ids import NodeId, TokenId, is_id, new_token_id

Scope = Literal["user", "admin", "agent"]

CACHE_S = 30.0
_SECRET_BYTES = 32
_MOST_CACHED = 1024


@dataclass(frozen=True)
class Identity:
    """Who is asking: a token that was good a moment ago."""

    token: TokenId
    user: str
    scope: Scope

    @property
    def admin(self) -> bool:
        """Whether everybody's runs and sessions are theirs to touch."""
        return self.scope == "admin"

    def must_own(self, owner: str, what: str) -> None:
        """Let owners and admins pass.

        Raises:
            Forbidden: it is another user's.
        """
        if not self.admin and owner != self.user:
            raise Forbidden(f"{what} belongs to another user")


class Tokens:
    """The executor's tokens. Checks are cached for `CACHE_S`; a revocation here is seen at once."""

    def __init__(self, store: TokenStore, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._cache: dict[TokenId, tuple[Token, float]] = {}
        self._sockets: dict[TokenId, set[Callable[[], None]]] = {}
        self._revision = 0
        self._binding = asyncio.Lock()

    async def check(self, text: str) -> Identity:
        """Who presents this token.

        Raises:
            Unauthorized: it is not one of ours, wrong, expired or revoked; the text does not say which
                of the first two.
        """
        head, _, secret = text.partition(".")
        token = await self._find(TokenId(head))
        given = hashlib.sha256(secret.encode()).digest()
        # An unknown id costs the same comparison as a known one.
        same = hmac.compare_digest(given, token.digest if token else bytes(32))
        if token is None or not same:
            raise Unauthorized("this token is not known here; `farcell token create --user NAME` makes one")
        if token.revoked is not None:
            raise Unauthorized(f"token {token.id} was revoked", token=token.id)
        if token.expires is not None and token.expires <= self._now():
            raise Unauthorized(f"token {token.id} has expired", token=token.id)
        return Identity(token.id, token.user, scope_of(token))

    async def create(
        self,
        user: str,
        scope: Scope,
        note: str = "",
        expires_s: float | None = None,
        node: NodeId | None = None,
    ) -> tuple[Token, str]:
        """A new token, and its text, which nobody can see again."""
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        now = self._now()
        token = Token(
            id=new_token_id(),
            digest=hashlib.sha256(secret.encode()).digest(),
            user=user,
            scope=scope,
            note=note,
            created=now,
            expires=None if expires_s is None else now + expires_s,
            node=node,
        )
        await self._store.save_token(token)
        return token, f"{token.id}.{secret}"

    async def bind(self, token: TokenId, node: NodeId) -> None:
        """Let an agent's token speak for this node: the one it was made for, or from its first use on.

        Raises:
            Forbidden: it speaks for another node, or another good token does for this one.
        """
        async with self._binding:
            tokens = {one.id: one for one in await self._store.tokens()}
            ours = tokens[token]
            if ours.node == node:
                return
            if ours.node is not None:
                raise Forbidden(
                    f"token {token} is for node {ours.node}, and this is node {node}: give each host a token of its own"
                    " (`farcell token create --user NAME --scope agent`)",
                    token=token,
                    bound_to=ours.node,
                    node=node,
                )
            other = next((one for one in tokens.values() if one.node == node and self._is_good(one)), None)
            if other is not None:
                raise Forbidden(
                    f"node {node} has token {other.id}, and this is {token}: use that one, or revoke it first"
                    f" (`farcell token revoke {other.id}`)",
                    token=token,
                    bound=other.id,
                    node=node,
                )
            await self._store.save_token(replace(ours, node=node))
            self._forget(token)

    async def revoke(self, token: TokenId) -> Token:
        """Make a token worthless and close every socket opened with it; again is harmless.

        Raises:
            NotFound: there is no such token.
        """
        found = await self._store.token(token)
        if found is None:
            raise NotFound(f"there is no token {token}", token=token)
        if found.revoked is None:
            found = replace(found, revoked=self._now())
            await self._store.save_token(found)
        self._forget(token)
        for close in tuple(self._sockets.get(token, ())):
            close()
        return found

    async def revoke_for(self, node: NodeId) -> None:
        """Make worthless what speaks for this node."""
        for token in await self._store.tokens():
            if token.node == node and token.revoked is None:
                await self.revoke(token.id)

    async def all(self) -> list[Token]:
        """Every token ever made, without what it takes to use it."""
        return await self._store.tokens()

    @contextmanager
    def socket(self, identity: Identity, close: Callable[[], None]) -> Iterator[None]:
        """While a socket is open; `close` is called when its token is revoked or expires."""
        sockets = self._sockets.setdefault(identity.token, set())
        sockets.add(close)
        expiry = self._at_expiry(identity, close)
        try:
            yield
        finally:
            if expiry is not None:
                expiry.cancel()
            sockets.discard(close)
            if not sockets:
                self._sockets.pop(identity.token, None)

    async def write_first(self, file: Path) -> None:
        """Make sure that `file` (0600) holds an admin's token that is good: at the first start there is none."""
        try:
            if (await self.check(file.read_text().strip())).admin:
                return
        except (FileNotFoundError, Unauthorized):
            pass
        _, text = await self.create("admin", "admin", "made at the first start")
        new = file.with_name(f"{file.name}.{os.getpid()}.new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(text + "\n")
        new.replace(file)

    def _is_good(self, token: Token) -> bool:
        return token.revoked is None and (token.expires is None or token.expires > self._now())

    def _forget(self, token: TokenId) -> None:
        """It has changed: ask the store the next time, and believe nothing that it is saying just now."""
        self._revision += 1
        self._cache.pop(token, None)

    async def _find(self, token: TokenId) -> Token | None:
        now = self._now()
        cached = self._cache.get(token)
        if cached is not None and cached[1] > now:
            return cached[0]
        if not is_id(token, "t"):
            return None
        revision = self._revision
        found = await self._store.token(token)
        # Revoked while the store was asked: what it said may be from before.
        if found is not None and revision == self._revision:
            if len(self._cache) >= _MOST_CACHED:
                self._cache.clear()
            self._cache[token] = (found, now + CACHE_S)
        return found

    def _at_expiry(self, identity: Identity, close: Callable[[], None]) -> asyncio.TimerHandle | None:
        cached = self._cache.get(identity.token)
        expires = cached[0].expires if cached else None
        if expires is None:
            return None
        return asyncio.get_running_loop().call_later(max(0.0, expires - self._now()), close)


def scope_of(token: Token) -> Scope:
    """The scope of a token, which the model keeps as plain text."""
    scopes: dict[str, Scope] = {"user": "user", "admin": "admin", "agent": "agent"}
    return scopes[token.scope]
