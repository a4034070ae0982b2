"""Requests to a kernel over its ZMQ sockets, each with its two ends: the reply, and `idle` after the last output.

The two come on different sockets, in either order; a kernel interrupted at the wrong moment never replies at all.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient

Incoming = dict[str, Any]

_RETRY_S = 0.3
"""Output is lost until the kernel has seen our subscription, so the first question is asked again after this."""


class Asked:
    """One request under way."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, msg_id: str, begun: Callable[[], None] | None, *, silent: bool
    ) -> None:
        self.msg_id = msg_id
        self.reply: asyncio.Future[Incoming] = loop.create_future()
        self.noticed: asyncio.Future[None] = loop.create_future()
        self.idle: asyncio.Future[None] = loop.create_future()
        self._begun = begun
        self._silent = silent

    def heard(self, kind: str) -> None:
        """Something was said in answer. The kernel is busy before it can be interrupted, and then says its input; where
        it is asked to be silent, `busy` is all there is."""
        if not self.noticed.done():
            self.noticed.set_result(None)
        if self._begun is not None and (self._silent or kind != "status"):
            begun, self._begun = self._begun, None
            begun()


class Requests:
    """The client's side of a kernel. `take` is given what the kernel says unasked: output, comms, input requests,
    and the statuses of what is not waited for."""

    def __init__(
        self, client: AsyncKernelClient, loop: asyncio.AbstractEventLoop, take: Callable[[Incoming], None]
    ) -> None:
        self._client = client
        self._loop = loop
        self._take = take
        self._asked: dict[str, Asked] = {}
        self._something = asyncio.Event()
        self._tasks = [
            loop.create_task(self._listen(client.shell_channel, self._replied)),
            loop.create_task(self._listen(client.control_channel, self._replied)),
            loop.create_task(self._listen(client.iopub_channel, self._said)),
            loop.create_task(self._listen(client.stdin_channel, self._take)),
        ]

    def ask(
        self, kind: str, content: dict[str, Any], msg_id: str = "", begun: Callable[[], None] | None = None
    ) -> Asked:
        """Send a request on the shell channel. `begun` is called once, when the kernel has said that it began."""
        return self._ask(self._client.shell_channel, self.message(kind, content, msg_id), begun)

    async def caught_up(self, seconds: float) -> None:
        """Wait until all has been taken that the kernel said before now, also while it executes; no longer than that,
        since some kernels do nothing else meanwhile."""
        asked = self._ask(self._client.control_channel, self.message("kernel_info_request", {}), None)
        await asyncio.wait([asked.idle], timeout=seconds)
        self._asked.pop(asked.msg_id, None)

    def message(self, kind: str, content: dict[str, Any], msg_id: str = "") -> Incoming:
        """A message of ours, with an id of ours if one is given."""
        message: Incoming = self._client.session.msg(kind, content)
        if msg_id:
            message["msg_id"] = message["header"]["msg_id"] = msg_id
        return message

    def _ask(self, channel: Any, message: Incoming, begun: Callable[[], None] | None) -> Asked:
        silent = message["content"].get("silent", True)
        asked = Asked(self._loop, message["header"]["msg_id"], begun, silent=silent)
        self._asked[asked.msg_id] = asked
        self.send(channel, message)
        return asked

    def send(self, channel: Any, message: Incoming, buffers: Sequence[bytes] = ()) -> None:
        """Send a message through the asynchronous socket itself. The session would go around it, and ZMQ tells of what
        has arrived only once: if it happens to do so during a send that the socket does not know of, nobody looks."""
        channel.socket.send_multipart([*self._client.session.serialize(message), *buffers])

    def after_interrupt(self) -> None:
        """For an interrupt that shows no effect. The kernel may have been interrupted as it was about to say `idle`, so
        whatever was asked before is over when this is; and it may notice an interrupted `await` only now."""
        earlier = [asked for asked in self._asked.values() if not asked.idle.done()]
        self._settling = self._loop.create_task(self._settle(earlier, self.ask("kernel_info_request", {})))

    async def _settle(self, earlier: list[Asked], last: Asked) -> None:
        await self.finished(last)
        for asked in earlier:
            if not asked.idle.done():
                asked.idle.set_result(None)

    async def finished(self, asked: Asked) -> Incoming | None:
        """Wait until all of a request's output has been taken; its reply's content, or null if it will never come."""
        await self.over(asked)
        # Almost always it is there, or comes now; to ask more than that of a kernel just interrupted may wedge it.
        await asyncio.wait([asked.reply], timeout=_RETRY_S)
        while not asked.reply.done():
            # Replies come in the order of the requests.
            fence = self.ask("kernel_info_request", {})
            await asyncio.wait([fence.reply], timeout=_RETRY_S)
            if fence.reply.done():
                break
        self._asked.pop(asked.msg_id, None)
        return _content(asked.reply.result()) if asked.reply.done() else None

    async def over(self, asked: Asked) -> None:
        """Wait until all of a request's output has been taken. ipykernel 7 may leave a request lying that came together
        with another, until a third comes."""
        patience = _RETRY_S
        while not asked.noticed.done():
            await asyncio.wait([asked.noticed, asked.idle], timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if asked.idle.done():
                return
            if not asked.noticed.done():
                self.send(self._client.shell_channel, self.message("kernel_info_request", {}))
                patience *= 2
        await asked.idle

    async def handshake(self) -> Incoming:
        """Wait until the kernel answers and its output arrives; the content of `kernel_info_reply`."""
        while True:
            asked = self.ask("kernel_info_request", {})
            both: list[asyncio.Future[Any]] = [asked.reply, asked.idle]
            _done, missing = await asyncio.wait(both, timeout=_RETRY_S)
            if not missing:
                self._asked.clear()
                return _content(asked.reply.result())

    async def quiet(self, seconds: float) -> None:
        """Wait until no output has come for so long; for a kernel that has gone and left some on the way."""
        with suppress(TimeoutError):
            while True:
                self._something.clear()
                await asyncio.wait_for(self._something.wait(), seconds)

    async def _listen(self, channel: Any, handle: Callable[[Incoming], None]) -> None:
        while True:
            try:
                handle(await channel.get_msg())
            except asyncio.CancelledError:
                raise
            except Exception as err:
                # One that cannot be read is no reason to read no more.
                with suppress(OSError):
                    os.write(2, f"farcell: a message of the kernel was dropped: {err!r}\n".encode())

    def _replied(self, message: Incoming) -> None:
        asked = self._asked.get(message["parent_header"].get("msg_id", ""))
        if asked is not None and not asked.reply.done():
            asked.reply.set_result(message)

    def _said(self, message: Incoming) -> None:
        self._something.set()
        kind = message["header"]["msg_type"]
        asked = self._asked.get(message["parent_header"].get("msg_id", ""))
        if asked is not None:
            asked.heard(kind)
        if kind != "status" or asked is None:
            self._take(message)
        elif message["content"]["execution_state"] == "idle" and not asked.idle.done():
            asked.idle.set_result(None)


def _content(message: Incoming) -> Incoming:
    content: Incoming = message["content"]
    return content
