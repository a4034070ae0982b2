"""Asking an executor over HTTP."""

import http.server
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from farcell_host import rest
from farcell_host.target import Target, socket_url
from farcell_protocol.errors import ExecutorUnreachable, VersionMismatch


class Answers(http.server.BaseHTTPRequestHandler):
    """Says which path it was asked for, and speaks the protocol that the path names."""

    def do_GET(self) -> None:
        body = f'"{self.path}"'.encode()
        self.send_response(200)
        self.send_header(rest.PROTOCOL_HEADER, self.path.rpartition("/")[2])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self) -> None:
        self.send_error(502, f"No way to {self.path}")

    def address_string(self) -> str:
        return "a socket"

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def odd_socket(tmp_path: Path) -> Iterator[Target]:
    """An executor in a folder whose name has a meaning in an address."""
    path = tmp_path / "a%20b #1"
    path.mkdir()
    with socketserver.ThreadingUnixStreamServer(str(path / "e.sock"), Answers) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield Target(socket_url(path / "e.sock"), "token", embedded=False)
        finally:
            server.shutdown()
            serving.join()


def test_an_executor_in_a_folder_with_an_odd_name_is_reached(odd_socket: Target) -> None:
    assert rest.call(odd_socket, "GET", "/1;1", str) == "/v1/1;1"
    assert b"".join(rest.chunks(odd_socket, "GET", "/1;1")) == b'"/v1/1;1"'


def test_one_that_speaks_another_protocol_is_named_however_it_is_asked(odd_socket: Target) -> None:
    with pytest.raises(VersionMismatch, match="upgrade"):
        rest.call(odd_socket, "GET", "/99;98", str)
    with pytest.raises(VersionMismatch, match="upgrade"):
        next(rest.chunks(odd_socket, "GET", "/99;98"))


def test_an_answer_that_is_none_of_an_executors_is_said_to_be_from_a_wrong_address(odd_socket: Target) -> None:
    with pytest.raises(ExecutorUnreachable, match="is the address right"):
        rest.call(odd_socket, "GET", "/1;1", int)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A proxy that lets nothing through, and says so."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answers) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.delenv("no_proxy", raising=False)
        try:
            yield
        finally:
            server.shutdown()
            serving.join()


def test_a_network_is_reached_through_its_proxy_and_this_machine_is_not(proxy: None) -> None:
    with pytest.raises(ExecutorUnreachable, match=r"No way to far\.invalid:8765"):
        rest.call(Target("http://far.invalid:8765", "token", embedded=False), "GET", "/status", str)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        with pytest.raises(ExecutorUnreachable, match="Connection refused"):
            rest.call(Target(f"http://127.0.0.1:{port}", "token", embedded=False), "GET", "/status", str)
