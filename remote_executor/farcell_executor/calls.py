"""How the commands talk to an executor: the one at an address, or the one that holds the data directory."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from farcell_host import locks, rest
from farcell_host.target import Target, check_url
from farcell_protocol.errors import ExecutorUnreachable, Unauthorized
from farcell_protocol.places import Places

T = TypeVar("T")


@dataclass(frozen=True)
class Caller:
    """An executor's address and the token for it."""

    address: str
    token: str = field(repr=False)

    def ask(self, method: str, path: str, kind: type[T], body: object = None, timeout_s: float = rest.ANSWER_S) -> T:
        """Send a request under /v1, and read its JSON answer as `kind`.

        Raises:
            ExecutorUnreachable: nobody answers; the text says what to type.
            FarcellError: what the executor answered, by class.
        """
        return rest.call(self._target, method, path, kind, body, timeout_s)

    def stream(
        self, method: str, path: str, body: object = None, timeout_s: float | None = rest.ANSWER_S
    ) -> Iterator[bytes]:
        """Like `ask`, for the answer's bytes as they come."""
        return rest.chunks(self._target, method, path, body, timeout_s)

    @property
    def _target(self) -> Target:
        return Target(self.address, self.token, embedded=False)


def find(places: Places, *, url: str | None, token: str | None) -> Caller:
    """The executor at `url` with `token`, else the one that holds the data directory.

    Raises:
        ExecutorUnreachable: none holds it.
        Unauthorized: there is no token to present.
        BadRequest: `url` is no address.
    """
    if url:
        if not token:
            raise Unauthorized(f"{url} wants a token: set FARCELL_TOKEN")
        return Caller(check_url(url), token)
    holder = locks.holder(places.executor_lock)
    if not holder.get("address"):
        raise ExecutorUnreachable(
            f"no executor runs on {places.data}: `farcell up` starts one, and so does the first %%gpu cell",
            path=str(places.data),
        )
    try:
        mine = token or places.token_file.read_text().strip()
    except OSError as err:
        raise Unauthorized(
            f"cannot read the token in {places.token_file}: {err.strerror}. `kill {holder.get('pid')}` ends the"
            " executor, whose workers go on, and the next one writes a token there"
        ) from err
    return Caller(str(holder["address"]), mine)
