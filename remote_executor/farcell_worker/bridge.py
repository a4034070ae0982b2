"""The bridge: any Jupyter kernel, as a process below the worker, over ZMQ on Unix sockets.

Its messages pass unchanged. What a kernel does not do by the protocol alone, a guest inside it does, if it is a Python
kernel that can import us (`guest`).
"""

import asyncio
import shutil
from collections.abc import Callable
from typing import Any

import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient

from farcell_protocol.errors import WorkerNotStarted
from farcell_protocol.frames import SHOWN, Message
from farcell_protocol.ids import RunId
from farcell_protocol.messages.cells import Cell, CommMessage
from farcell_worker.asides import Asides
from farcell_worker.asking import Incoming, Requests
from farcell_worker.bridged_values import BridgedValues, NoValues
from farcell_worker.kernel_process import KernelProcess, command_of, end_like, private_folder
from farcell_worker.outbox import Outbox
from farcell_worker.relayed import RelayedInterrupts
from farcell_worker.transport import OUTPUT_KINDS, KernelValues, Reply

START_DEADLINE_S = 60.0
"""Some languages compile themselves first."""

_LEFT_ON_THE_WAY_S = 0.1
"""How long output may take that a kernel sent before it ended."""

_AGAIN_AFTER_S = (0.25, 1.0)
"""IPython forgets an interrupt that comes while it prepares to run a cell, which takes longer on a busy machine: one
that came so early is sent again after these times."""

_NUDGE_AFTER_S = 0.02

_NO_EFFECT_S = 1.0
"""After so long an interrupt had no effect, or the kernel did not say that it had."""

_GUEST = "__import__('farcell_worker.guest', fromlist=['guest']).guest()"


class Bridge:
    """A `KernelTransport`. The worker ends as the kernel does: with its exit status, or by its signal."""

    def __init__(self, outbox: Outbox, interrupts: RelayedInterrupts, kernel: str = "") -> None:
        self._outbox = outbox
        self._interrupts = interrupts
        self._kernel = kernel
        self._loop: asyncio.AbstractEventLoop
        self._process: KernelProcess
        self._client: AsyncKernelClient
        self._requests: Requests
        self._asides: Asides
        self._values: KernelValues
        self._language = ""
        self._has_guest = False
        self._next_count = 1
        self._requests_made = 0
        self._errors_said = 0
        self._running = self._begun = self._interrupt_wanted = False

    @property
    def values(self) -> KernelValues:
        """The kernel's names, if it is a Python kernel that can import us."""
        return self._values

    def warm_up(self) -> None:
        """Nothing of a kernel may exist before a fork; importing this module was all."""

    async def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the kernel, and wait until it answers. Its folder is gone then: open sockets need no path."""
        self._loop = loop
        ended: asyncio.Future[int] = loop.create_future()
        folder = private_folder()
        try:
            command = command_of(self._kernel)
            self._process = KernelProcess(command, folder, self._on_loop(ended.set_result))
            self._client = AsyncKernelClient(context=zmq.asyncio.Context())
            self._client.load_connection_info(self._process.connection)
            self._client.start_channels(hb=False)
            self._requests = Requests(self._client, loop, self._take)
            self._asides = Asides(self._client, self._requests, self._outbox)
            info = await self._answered(ended)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        ended.add_done_callback(lambda status: loop.create_task(self._end_as_kernel(status.result())))
        self._language = info["language_info"]["name"]
        self._values = await self._find_values()

    async def execute(self, cell: Cell, run: RunId) -> Reply:
        """Run one cell by an `execute_request` with the id of the client's, or else the run's."""
        if cell.execution_count and cell.execution_count != self._next_count and self._has_guest:
            await self._evaluate(f"count({cell.execution_count})")
            self._next_count = cell.execution_count
        self._errors_said = 0
        self._process.forget_words()
        content = {"code": cell.source, "silent": False, "store_history": True, "allow_stdin": cell.allow_stdin}
        reply = await self._request(content, cell.msg_id or run)
        return self._reply(reply or {"status": "error", "ename": "KeyboardInterrupt", "evalue": ""})

    def interrupt(self) -> None:
        """Now, or as soon as the kernel says that it has begun: before, it ignores interrupts."""
        if not self._running:
            return
        if self._begun:
            self._interrupt_now()
        else:
            self._interrupt_wanted = True

    def comm(self, message: CommMessage) -> None:
        """The kernel comes to it after the cell that runs."""
        self._loop.call_soon_threadsafe(self._asides.send, message)

    def interrupt_handler(self) -> None:
        """Only while no cell is under way, which it would hit; a kernel that does nothing ignores it."""
        self._loop.call_soon_threadsafe(self._interrupt_between)

    def _interrupt_between(self) -> None:
        if not self._running:
            self._process.interrupt(self._interrupt_by_message)

    def reply(self, request: int, value: str) -> None:
        """Sent on if that is what the kernel waits for."""
        self._loop.call_soon_threadsafe(self._asides.reply, request, value)

    def _on_loop(self, tell: Callable[[int], None]) -> Callable[[int], object]:
        return lambda status: self._loop.call_soon_threadsafe(tell, status)

    async def _answered(self, ended: "asyncio.Future[int]") -> Incoming:
        """The kernel's information about itself.

        Raises:
            WorkerNotStarted: it ended first, or took too long.
        """
        shaking = self._loop.create_task(self._requests.handshake())
        either: list[asyncio.Future[Any]] = [shaking, ended]
        await asyncio.wait(either, timeout=START_DEADLINE_S, return_when=asyncio.FIRST_COMPLETED)
        if shaking.done():
            return shaking.result()
        shaking.cancel()
        how = f"ended with {ended.result()}" if ended.done() else f"did not answer within {START_DEADLINE_S:.0f} s"
        if ended.done():
            self._process.join_words(_LEFT_ON_THE_WAY_S)
        words = self._process.last_words.strip()
        raise WorkerNotStarted(f"the Jupyter kernel {self._kernel or 'ipykernel'} {how}. {words}".strip())

    async def _find_values(self) -> KernelValues:
        if self._language != "python":
            why = f"values travel to and from Python kernels only, and this one is {self._language}"
            return NoValues(why, self._language)
        wrong = await self._evaluate("install()")
        if wrong:
            return NoValues(f"this kernel's Python cannot take values: {wrong}", self._language)
        self._has_guest = True
        return BridgedValues(self._evaluate)

    async def _evaluate(self, expression: str) -> str:
        """Have the guest do something; what went wrong, or nothing."""
        expressions = {"farcell": f"{_GUEST}.{expression}"}
        content = {"code": "", "silent": True, "store_history": False, "allow_stdin": False}
        reply = await self._request({**content, "user_expressions": expressions}, "")
        if reply is None:
            return "KeyboardInterrupt"
        answer = reply.get("user_expressions", {}).get("farcell", reply)
        return "" if answer["status"] == "ok" else f"{answer.get('ename')}: {answer.get('evalue')}"

    async def _request(self, content: dict[str, Any], msg_id: str) -> Incoming | None:
        """An `execute_request`, open to interrupts to its last output; its reply, or null if an interrupt lost it."""
        self._begun = self._interrupt_wanted = False
        self._running = True
        self._requests_made += 1
        # Whoever sends the cells decides what an error means for the next.
        content = {"user_expressions": {}, "stop_on_error": False, **content}
        asked = self._requests.ask("execute_request", content, msg_id, self._has_begun)
        try:
            with self._interrupts.relayed(self.interrupt):
                await self._requests.over(asked)
        finally:
            self._running = False
        return await self._requests.finished(asked)

    def _has_begun(self) -> None:
        self._begun = True
        if self._interrupt_wanted:
            self._interrupt_now()
            for delay_s in _AGAIN_AFTER_S:
                self._loop.call_later(delay_s, self._interrupt_again, self._requests_made)

    def _interrupt_again(self, request: int) -> None:
        if self._running and self._requests_made == request and not self._errors_said:
            self._interrupt_now()

    def _interrupt_now(self) -> None:
        self._process.interrupt(self._interrupt_by_message)
        self._loop.call_soon_threadsafe(self._look_again, self._requests_made)

    def _look_again(self, request: int) -> None:
        self._loop.call_later(_NUDGE_AFTER_S, self._process.nudge)
        self._loop.call_later(_NO_EFFECT_S, self._settle, request)

    def _settle(self, request: int) -> None:
        if self._running and self._requests_made == request:
            self._requests.after_interrupt()

    def _interrupt_by_message(self) -> None:
        message = self._requests.message("interrupt_request", {})
        self._loop.call_soon_threadsafe(self._requests.send, self._client.control_channel, message)

    def _reply(self, content: Incoming) -> Reply:
        ok = content["status"] == "ok"
        if not ok and not self._errors_said:
            self._say_error(content.get("ename", "Aborted"), content.get("evalue", ""), content.get("traceback", []))
        number = content.get("execution_count") or self._next_count
        self._next_count = number + 1
        return Reply(ok, number)

    def _say_error(self, name: str, text: str, trace: list[str]) -> None:
        """For what a kernel does not say as an error: IPython shows some as text, so only the name is left to say."""
        shown = self._language == "python" and name != "KeyboardInterrupt"
        if shown:
            trace = []
        elif not trace:
            trace = [f"{name}: {text}" if text else name]
        content = {"ename": name, "evalue": text, "traceback": trace}
        self._outbox.post(Message("error", content, {SHOWN: True} if shown else {}))

    def _take(self, message: Incoming) -> None:
        """What the kernel says unasked, on whatever channel. A cell has one error: where IPython shows another, of a
        callback that was interrupted, it is text."""
        kind = message["header"]["msg_type"]
        if kind == "input_request":
            self._loop.create_task(self._asides.ask(message["content"]))
        elif kind in OUTPUT_KINDS:
            with self._asides.answering(message["parent_header"].get("msg_id", "")) as aside:
                again = kind == "error" and not aside and self._errors_said > 0
                self._errors_said += kind == "error" and not aside
                if again:
                    self._outbox.write("stderr", "\n".join(message["content"]["traceback"]) + "\n")
                else:
                    self._say(kind, message)
        elif kind == "status" and message["content"]["execution_state"] == "idle":
            with self._asides.answering(message["parent_header"].get("msg_id", "")) as aside:
                if aside:
                    self._outbox.post(Message("status", {"execution_state": "idle"}))

    def _say(self, kind: str, message: Incoming) -> None:
        content = message["content"]
        if kind == "stream" and content["name"] in ("stdout", "stderr"):
            self._outbox.write(content["name"], content["text"])
        else:
            buffers = [bytes(buffer) for buffer in message["buffers"]]
            self._outbox.post(Message(kind, content, message["metadata"], buffers))

    async def _end_as_kernel(self, status: int) -> None:
        await self._requests.quiet(_LEFT_ON_THE_WAY_S)
        self._process.join_words(_LEFT_ON_THE_WAY_S)
        self._outbox.write("stderr", self._process.last_words)
        self._outbox.flush()
        end_like(status)
