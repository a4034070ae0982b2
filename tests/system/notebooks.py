"""A notebook kernel for tests: real ipykernel processes, cells run one by one, everything they said kept."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

Message = dict[str, Any]


def plain(text: str) -> str:
    """Text without its colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@dataclass
class Shown:
    """What a cell showed: its messages in order, and how it was answered."""

    messages: list[Message] = field(default_factory=list)
    status: str = ""
    reply: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Everything printed, stdout and stderr."""
        return "".join(m["content"]["text"] for m in self.messages if m["msg_type"] == "stream")

    @property
    def result(self) -> str:
        """The text of the last expression."""
        return next(
            (m["content"]["data"]["text/plain"] for m in self.messages if m["msg_type"] == "execute_result"), ""
        )

    @property
    def errors(self) -> list[Message]:
        """The content of each error message."""
        return [m["content"] for m in self.messages if m["msg_type"] == "error"]

    @property
    def error(self) -> str:
        """The one error's name and text, or nothing."""
        return "\n".join(f"{e['ename']}: {e['evalue']}\n" + "\n".join(e["traceback"]) for e in self.errors)

    @property
    def run(self) -> str:
        """The run's id, as the status line shows it."""
        found = re.findall(r"\br-[0-9a-z]{12}\b", " ".join(str(d.get("text/plain", "")) for d in self.displays))
        assert found, f"no status line names a run: {self.displays}"
        return str(found[-1])

    @property
    def displays(self) -> list[dict[str, Any]]:
        """The data of displays and their updates, the status line's included."""
        return [m["content"]["data"] for m in self.messages if m["msg_type"] in ("display_data", "update_display_data")]


class Notebook:
    """One kernel process, driven as a front end would."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client

    @property
    def pid(self) -> int:
        """The kernel's process."""
        provisioner = self.manager.provisioner
        assert provisioner is not None
        pid = provisioner.pid  # type: ignore[attr-defined]  # LocalProvisioner has it
        assert isinstance(pid, int)
        return pid

    def send(self, source: str) -> str:
        """Send a cell without waiting; the request's id."""
        return self.client.execute(source)

    def run(self, source: str, timeout_s: float = 60) -> Shown:
        """Run a cell to its end."""
        return self.finish(self.send(source), timeout_s=timeout_s)

    def ok(self, source: str, timeout_s: float = 60) -> Shown:
        """Run a cell that must not raise."""
        shown = self.run(source, timeout_s)
        assert shown.status == "ok", shown.error or shown.text
        return shown

    def finish(
        self,
        request: str,
        *,
        timeout_s: float = 60,
        until: Callable[[Shown], bool] | None = None,
        shown: Shown | None = None,
    ) -> Shown:
        """Collect a cell's messages until it is done, or until `until` says that enough was shown."""
        shown = shown or Shown()
        deadline = time.monotonic() + timeout_s
        while until is None or not until(shown):
            left = deadline - time.monotonic()
            assert left > 0, f"the cell said no more within {timeout_s} s; it showed {shown.text[-2000:]!r}"
            try:
                message = self.client.get_iopub_msg(timeout=min(left, 1))
            except Empty:
                assert self.manager.is_alive(), "the kernel died"
                continue
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                shown.reply = self._reply(request, deadline)
                shown.status = shown.reply["status"]
                return shown
            shown.messages.append(message)
        return shown

    def _reply(self, request: str, deadline: float) -> dict[str, Any]:
        while True:
            reply = self.client.get_shell_msg(timeout=max(1, deadline - time.monotonic()))
            if reply["parent_header"].get("msg_id") == request:
                content: dict[str, Any] = reply["content"]
                return content

    def interrupt(self) -> None:
        """The stop button: SIGINT to the kernel's whole process group."""
        os.killpg(os.getpgid(self.pid), signal.SIGINT)

    def kill(self) -> None:
        """kill -9."""
        os.kill(self.pid, signal.SIGKILL)


def _started(environment: dict[str, str], cwd: Path, tries: int = 3) -> tuple[KernelManager, BlockingKernelClient]:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env=environment, cwd=str(cwd))
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
    except RuntimeError:
        _end(manager, client)
        if tries == 1:
            raise
        # The ports that its manager had found free were taken before the kernel came to them.
        return _started(environment, cwd, tries - 1)
    except BaseException:
        _end(manager, client)
        raise
    return manager, client


def _end(manager: KernelManager, client: BlockingKernelClient) -> None:
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@contextmanager
def notebook(environment: dict[str, str], cwd: Path, first: str = "%load_ext farcell") -> Iterator[Notebook]:
    """A fresh kernel whose first cell loads farcell; ended with its process group at the end."""
    manager, client = _started(environment, cwd)
    try:
        kernel = Notebook(manager, client)
        kernel.ok(first)
        yield kernel
    finally:
        _end(manager, client)
