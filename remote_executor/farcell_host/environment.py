"""Numbers in environment variables."""

from collections.abc import Mapping

from farcell_protocol.errors import BadRequest


def bytes_from(environ: Mapping[str, str], name: str) -> int | None:
    """The number of bytes that the variable `name` says; None where it is missing or empty.

    Raises:
        BadRequest: it says something else than a whole number above 0.
    """
    text = environ.get(name)
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise BadRequest(f"{name}={text!r} must be a whole number of bytes above 0", variable=name, value=text)
    return int(text)
