"""ipykernel's messages, caught where they would enter a ZMQ socket, and put into the outbox; and comm messages as
ipykernel gets them."""

from collections.abc import Callable
from typing import Any

from jupyter_client.session import Session

from farcell_protocol import framing
from farcell_protocol.errors import MessageTooLarge
from farcell_protocol.frames import MAX_MESSAGE_BYTES, Message
from farcell_protocol.messages.cells import CommMessage
from farcell_worker.outbox import Outbox
from farcell_worker.plain import COMM_KINDS, plain
from farcell_worker.transport import OUTPUT_KINDS


class IOPub:
    """Stands where the kernel expects its IOPub socket, so that output can be told from replies."""


class JupyterSession(Session):
    """A Jupyter session whose `send` turns output into frames and drops the rest (statuses, replies).

    A message's own header does not travel: frames are numbered and belong to a run, which says as much.
    """

    outbox: Outbox
    iopub: IOPub
    drain: Callable[[], None]
    comms_opened: Callable[[], None]
    forked: bool
    errors_sent: int

    def attach(self, outbox: Outbox, iopub: IOPub) -> "JupyterSession":
        """Say where output goes. `drain` is set later, when descriptors are captured, and so is `comms_opened`, which
        is called when a comm speaks."""
        self.outbox, self.iopub = outbox, iopub
        self.drain = self.comms_opened = nothing
        self.forked, self.errors_sent = False, 0
        return self

    def send(
        self,
        stream: Any,
        msg_or_type: dict[str, Any] | str,
        content: dict[str, Any] | None = None,
        parent: dict[str, Any] | None = None,
        ident: bytes | list[bytes] | None = None,
        buffers: list[Any] | None = None,
        track: bool = False,
        header: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """What the kernel calls for every message; the outbox is written to before this returns."""
        if isinstance(msg_or_type, dict):
            message = msg_or_type
            buffers = buffers or message.get("buffers")
        else:
            message = self.msg(msg_or_type, content, parent=parent, header=header, metadata=metadata)
        kind = message["header"]["msg_type"]
        if stream is self.iopub and kind in OUTPUT_KINDS and not self.forked:
            self._post(kind, message, buffers or [])
        return message

    def _post(self, kind: str, message: dict[str, Any], buffers: list[Any]) -> None:
        self.errors_sent += kind == "error" and not self.outbox.is_answering
        self.drain()
        raw = [bytes(memoryview(buffer).cast("B")) for buffer in buffers]
        # ipykernel leaves this to the packer of the socket it would go to.
        said = Message(kind, plain(message["content"]), plain(message["metadata"]), raw)
        if kind in COMM_KINDS:
            _check_size(said)
            self.comms_opened()
        self.outbox.post(said)


def _check_size(said: Message) -> None:
    size = len(framing.pack(said))
    if size > MAX_MESSAGE_BYTES:
        raise MessageTooLarge(
            f"a comm message of {size:,} bytes is over the limit of {MAX_MESSAGE_BYTES:,}: send less at once",
            size_bytes=size,
            limit_bytes=MAX_MESSAGE_BYTES,
        )


def parent_of(session: JupyterSession, msg_id: str) -> dict[str, Any]:
    """The request that a cell's output would name as its parent, for code that looks (widgets do)."""
    header = session.msg_header("execute_request")
    header["msg_id"] = msg_id
    return {"header": header, "msg_id": msg_id, "msg_type": "execute_request", "content": {}, "metadata": {}}


def as_received(session: JupyterSession, message: CommMessage) -> dict[str, Any]:
    """A comm's message as `Session.deserialize` gives it to a kernel."""
    made = session.msg(message.msg_type, message.content, metadata=message.metadata)
    made["msg_id"] = made["header"]["msg_id"] = message.msg_id or made["msg_id"]
    made["buffers"] = [memoryview(buffer) for buffer in message.buffers]
    return made


def nothing() -> None:
    """Before descriptors are captured there is nothing to drain."""
