"""An executor that runs while its token's file is gone: said soon, instead of waited for like one that is starting."""

import os
import time
from collections.abc import Callable, Iterable

from farcell_host import rest
from farcell_host.target import Target
from farcell_protocol.errors import FarcellError, Unauthorized
from farcell_protocol.places import Places

LOOK_S = 1.0
"""How long the file may be missing before the executor is asked. One that starts writes it before it answers."""

_ASK_S = 2.0


class Tokenless:
    """One wait for an executor whose token there may not be."""

    def __init__(self, places: Places, look_s: float = LOOK_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._places = places
        self._look_s = look_s
        self._clock = clock
        self._due = clock() + look_s

    def check(self, urls: Iterable[str | None], pid: object) -> None:
        """Look now and then whether an executor at one of these addresses, process `pid`, asks for what nobody has.

        Raises:
            Unauthorized: it does; the text says what to do.
        """
        path = self._places.token_file
        if self._clock() < self._due or os.path.lexists(path):
            return
        self._due = self._clock() + self._look_s
        if any(_wants_a_token(url) for url in filter(None, urls)) and not os.path.lexists(path):
            raise Unauthorized(
                f"there is no {path}, and the executor that runs (process {pid}) takes nobody without it:"
                f" `kill {pid}` ends the executor, its workers go on, and the next cell starts one with a new token",
                path=str(path),
                pid=pid,
            )


def _wants_a_token(url: str) -> bool:
    try:
        rest.call_raw(Target(url, None, True), "GET", "/status", timeout_s=_ASK_S)
    except Unauthorized:
        return True
    except FarcellError:
        return False
    return False
