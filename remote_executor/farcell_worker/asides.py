"""What passes between a kernel behind the bridge and the user besides cells: comms, and the answers to `input()`."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient

from farcell_protocol.frames import Message
from farcell_protocol.messages.cells import CommMessage
from farcell_worker.asking import Incoming, Requests
from farcell_worker.outbox import Outbox

_END_OF_FILE = "\x04"

_CATCH_UP_S = 1.0
"""How long a question waits for the output before it."""

_REMEMBERED = 1000
"""Comm messages whose handlers may still say something."""


class Asides:
    """All of it on the loop."""

    def __init__(self, client: AsyncKernelClient, requests: Requests, outbox: Outbox) -> None:
        self._client = client
        self._requests = requests
        self._outbox = outbox
        self._comms: dict[str, None] = {}
        self._question = 0

    def send(self, message: CommMessage) -> None:
        """A front end's message, to the kernel."""
        sent = self._requests.message(message.msg_type, message.content, message.msg_id)
        sent["metadata"] = message.metadata
        self._comms[sent["header"]["msg_id"]] = None
        if len(self._comms) > _REMEMBERED:
            del self._comms[next(iter(self._comms))]
        self._requests.send(self._client.shell_channel, sent, message.buffers)

    @contextmanager
    def answering(self, parent: str) -> Iterator[bool]:
        """Within, what is said answers this message, if it is a comm's; says whether it is."""
        aside = parent in self._comms
        with self._outbox.answering(parent) if aside else nullcontext():
            yield aside

    async def ask(self, content: Incoming) -> None:
        """The kernel's question, to the user, after all output before it; where nobody can be asked, the input ends."""
        await self._requests.caught_up(_CATCH_UP_S)
        asked: dict[str, Any] = {"prompt": content["prompt"], "password": content["password"]}
        self._question = self._outbox.post_numbered(Message("input_request", asked))
        if not self._question:
            self._answer(_END_OF_FILE)

    def reply(self, request: int, value: str) -> None:
        """The answer to the question that was this frame."""
        if request and request == self._question:
            self._question = 0
            self._answer(value)

    def _answer(self, value: str) -> None:
        self._requests.send(self._client.stdin_channel, self._requests.message("input_reply", {"value": value}))
