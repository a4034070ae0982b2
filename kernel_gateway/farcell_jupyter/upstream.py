"""The executor behind this Jupyter server: the one its kernels use, found or started when first asked."""

import os
from collections.abc import Iterator

from farcell import embedded
from farcell.config import target
from farcell_host import rest
from farcell_host.target import Target


def find() -> Target:
    """Where the executor is. Blocks, up to 20 s while an embedded one starts; to be called in a thread.

    Raises:
        BadRequest: `FARCELL_URL` cannot be read.
        ExecutorUnreachable: the embedded executor does not start.
        Unauthorized: its token cannot be trusted.
    """
    chosen = target(os.environ)
    return embedded.find_or_start(os.environ) if chosen.embedded else chosen


def ask(method: str, path: str, body: object = None) -> bytes:
    """The executor's answer to a request, as it is: its errors are raised by class. Blocks.

    Raises:
        FarcellError: what the executor answered, or why it cannot be asked.
    """
    return rest.call_raw(find(), method, path, body)


def chunks(path: str) -> Iterator[bytes]:
    """A long answer in pieces. Blocks; the first piece tells whether there is an answer at all.

    Raises:
        FarcellError: what the executor answered, or why it cannot be asked.
    """
    return rest.chunks(find(), "GET", path)
