"""The address of an executor."""

import pytest

from farcell_host.target import Target, check_url, is_loopback, socket_url
from farcell_protocol.errors import BadRequest


@pytest.mark.parametrize("path", ["/run/farcell/executor.sock", "/run/a b/50%20#1?/executor.sock", "/run/ü/e.sock"])
def test_the_address_of_a_socket_leads_back_to_it_whatever_its_folder_is_called(path: str) -> None:
    url = check_url(socket_url(path))
    assert Target(url, None, embedded=False).socket_path == path


def test_a_token_is_never_shown() -> None:
    assert "secret" not in repr(Target("http://h", "secret", embedded=False))


@pytest.mark.parametrize("url", ["http://127.0.0.1:8765", "https://h", "https://h/farcell", "unix:///run/e.sock"])
def test_addresses_that_can_be_read(url: str) -> None:
    assert check_url(f" {url}/ ") == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host:8765",
        "ftp://h",
        "http://",
        "http://h:port",
        "http://h:99999",
        "unix://",
        "http://u:p@h",
        "http://h/?q=1",
    ],
)
def test_addresses_that_cannot_be_read_are_refused_with_an_example(url: str) -> None:
    with pytest.raises(BadRequest, match=r"write http://127\.0\.0\.1:8765"):
        check_url(url)


@pytest.mark.parametrize(
    ("host", "expected"), [("localhost", True), ("127.0.0.9", True), ("::1", True), ("10.0.0.1", False)]
)
def test_the_loopback_is_known_by_its_addresses(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
