"""What the separate agent takes from files and variables; the only reader of its environment."""

from collections.abc import Callable, Mapping
from pathlib import Path

from farcell_protocol.errors import Unauthorized


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


def _text_of(token_file: Path) -> str:
    try:
        return token_file.read_text(errors="replace")
    except OSError as err:
        raise Unauthorized(f"cannot read the token: {err}") from err
