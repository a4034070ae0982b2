"""Numbers in environment variables."""

import pytest

from farcell_host.environment import bytes_from
from farcell_protocol.errors import BadRequest


@pytest.mark.parametrize(("environ", "value"), [({}, None), ({"SIZE": ""}, None), ({"SIZE": "1000"}, 1000)])
def test_a_number_of_bytes_is_given_or_missing(environ: dict[str, str], value: int | None) -> None:
    assert bytes_from(environ, "SIZE") == value


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "1 GiB", "²", "٣"])
def test_anything_else_is_refused_and_named(text: str) -> None:
    with pytest.raises(BadRequest, match=r"SIZE=.* must be a whole number of bytes above 0") as refused:
        bytes_from({"SIZE": text}, "SIZE")
    assert refused.value.fields == {"variable": "SIZE", "value": text}
