"""What the separate agent takes from files and variables; the only reader of its environment."""

from collections.abc import Callable, Mapping
from pathlib import Path

from farcell_protocol.errors import BadRequest, Unauthorized


def token_source(token_file: Path | None, environ: Mapping[str, str]) -> Callable[[], str]:
    """Where the token comes from, read anew at each call, which raises `Unauthorized` when there is none."""

    def read() -> str:
        if token_file is None:
            token, source = environ.get("FARCELL_JOIN_TOKEN", ""), "FARCELL_JOIN_TOKEN (there is no --token-file)"
        else:
            token, source = _text_of(token_file), str(token_file)
        token = token.strip()
        # It becomes a header, which could not hold anything else.
        if not token or not token.isascii() or not token.isprintable():
            raise Unauthorized(f"{source} holds no token")
        return token

    return read


def worker_memory(environ: Mapping[str, str]) -> int | None:
    """The limit of each worker in bytes, from `FARCELL_WORKER_MEMORY`; None is no limit.

    Raises:
        BadRequest: it is not a number of bytes.
    """
    text = environ.get("FARCELL_WORKER_MEMORY", "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise BadRequest(f"FARCELL_WORKER_MEMORY={text!r} must be a whole number of bytes above 0", value=text)
    return int(text)


def _text_of(token_file: Path) -> str:
    try:
        return token_file.read_text(errors="replace")
    except OSError as err:
        raise Unauthorized(f"cannot read the token: {err}") from err
