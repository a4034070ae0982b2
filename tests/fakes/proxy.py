"""A proxy that breaks connections the way networks do: it cuts them, stalls them, or leaves them half open."""

import asyncio
import contextlib
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

Address = tuple[str, int] | Path


@dataclass(eq=False)
class _Pair:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    passed_bytes: int = 0

    def abort(self) -> None:
        for writer in (self.client, self.server):
            sock = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                # A reset, as from a machine that is gone, not a polite end.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            writer.transport.abort()


class Proxy:
    """Between a client and `to` (host and port, or a Unix socket), in a thread of its own.

    `url` is where the client connects: a loopback port, or a Unix socket if `at` is given.
    `cut_every_bytes` cuts each connection after so many bytes from the server; `refusing` ends new ones at
    once. All of it may be changed while it runs.
    """

    def __init__(self, to: Address, at: Path | None = None) -> None:
        self.to = to
        self.cut_every_bytes: int | None = None
        self.refusing = False
        self.connections = 0
        self.cuts = 0
        self._at = at
        self._pairs: set[_Pair] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        self._ready.wait(10)

    def cut(self) -> None:
        """Break every connection now."""
        self._loop.call_soon_threadsafe(self._cut_all)

    def stall(self) -> None:
        """Pass nothing more in either direction, and keep every connection open: a half-open link."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def flow(self) -> None:
        """Pass everything again."""
        self._loop.call_soon_threadsafe(self._flowing.set)

    def close(self) -> None:
        """Break everything and leave."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._over, self._flowing = asyncio.Event(), asyncio.Event()
        self._flowing.set()
        if self._at is not None:
            server: asyncio.Server = await asyncio.start_unix_server(self._join, str(self._at))
            self.url = f"unix://{self._at}"
        else:
            server = await asyncio.start_server(self._join, "127.0.0.1", 0)
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._over.wait()
        server.close()
        self._cut_all()

    def _cut_all(self) -> None:
        for pair in list(self._pairs):
            self.cuts += 1
            pair.abort()

    async def _join(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            if self.refusing:
                raise ConnectionRefusedError
            if isinstance(self.to, Path):
                from_server, to_server = await asyncio.open_unix_connection(str(self.to))
            else:
                from_server, to_server = await asyncio.open_connection(*self.to)
        except OSError:
            to_client.transport.abort()
            return
        pair = _Pair(to_client, to_server)
        self._pairs.add(pair)
        ways = [
            asyncio.create_task(self._pass(pair, from_client, to_server, counted=False)),
            asyncio.create_task(self._pass(pair, from_server, to_client, counted=True)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        pair.abort()
        self._pairs.discard(pair)

    async def _pass(
        self, pair: _Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(4096):
                await self._flowing.wait()
                pair.passed_bytes += len(data) * counted
                if self.cut_every_bytes is not None and pair.passed_bytes > self.cut_every_bytes:
                    self.cuts += 1
                    return
                writer.write(data)
                await writer.drain()
