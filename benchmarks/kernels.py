"""Kernels to measure with: an ordinary local ipykernel, with an embedded executor of the benchmark's own."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

from farcell.client import Client
from farcell.config import target

DEADLINE_S = 120.0
Message = dict[str, Any]


@contextmanager
def own_executor() -> Iterator[Client]:
    """An embedded executor in a temporary data directory, for this process and the kernels it starts."""
    with tempfile.TemporaryDirectory(prefix="farcell-bench-", ignore_cleanup_errors=True) as data:
        os.environ["FARCELL_DATA"] = data
        os.environ["FARCELL_NOTEBOOK"] = "benchmark"
        os.environ.pop("FARCELL_URL", None)
        client = Client(target(os.environ))
        try:
            client.connect()
            yield client
        finally:
            client.stop()
            client.close()


@contextmanager
def kernel() -> Iterator["MeasuredKernel"]:
    """A fresh local kernel."""
    manager, client = start_new_kernel()
    try:
        yield MeasuredKernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


class MeasuredKernel:
    """A kernel whose cells are timed from sending to a message, or to idle."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client

    def run(self, source: str, on_message: Callable[[Message], None] = lambda message: None) -> float:
        """Execute a cell; seconds from sending it until the kernel is idle again.

        Raises:
            RuntimeError: the cell raised, with its traceback: a failed sample is no sample.
        """
        begun = time.perf_counter()
        request = self.client.execute(source)
        failed = ""
        while True:
            message = self.client.get_iopub_msg(timeout=DEADLINE_S)
            if message["parent_header"].get("msg_id") != request:
                continue
            on_message(message)
            if message["msg_type"] == "error":
                failed = "\n".join(message["content"]["traceback"])
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                break
        took = time.perf_counter() - begun
        self.client.get_shell_msg(timeout=DEADLINE_S)
        if failed:
            raise RuntimeError(failed)
        return took

    def first_output(self, source: str) -> float:
        """Execute a cell that prints; seconds from sending it until the first text arrives."""
        arrived: list[float] = []
        begun = time.perf_counter()

        def note(message: Message) -> None:
            if message["msg_type"] == "stream" and not arrived:
                arrived.append(time.perf_counter() - begun)

        self.run(source, note)
        return arrived[0]
