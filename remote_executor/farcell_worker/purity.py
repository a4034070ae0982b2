"""The zygote rule: what must hold of a process at the moment it forks a worker."""

import os
import sys
from collections.abc import Callable, Collection
from typing import Any

from farcell_worker.descriptors import descriptor_target, open_descriptors


def why_impure(own_descriptors: Collection[int]) -> str:
    """Why this process may not be forked, or nothing.

    It must have one thread (locks held by others stay locked in the child), no sockets but ours, and no module
    in use whose state does not survive a fork.
    """
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        return f"{threads} threads run in the zygote"
    # The standard ones came from whoever started it: a journal's are sockets.
    for fd in open_descriptors():
        if fd > 2 and fd not in own_descriptors:
            target = descriptor_target(fd)
            if target.startswith("socket:") or "eventpoll" in target:
                return f"the zygote has a descriptor that is not ours: {fd} is {target}"
    return next((why for why in map(_why_in_use, _QUESTIONS) if why), "")


def _zmq(zmq: Any) -> bool:
    return zmq.Context._instance is not None


def _nvml(pynvml: Any) -> bool:
    return bool(getattr(pynvml, "_nvmlLib_refcount", 0))


def _cuda(cuda: Any) -> bool:
    return bool(cuda.is_initialized())


def _history(history: Any) -> bool:
    return any(getattr(manager, "enabled", False) for manager in history.HistoryManager._instances)


_QUESTIONS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "zmq": ("a ZMQ context", _zmq),
    "pynvml": ("NVML", _nvml),
    "torch.cuda": ("CUDA", _cuda),
    "IPython.core.history": ("the history database", _history),
}


def _why_in_use(name: str) -> str:
    """Modules not imported are not asked, and so not imported."""
    module = sys.modules.get(name)
    what, in_use = _QUESTIONS[name]
    return f"{what} is in use in the zygote" if module is not None and in_use(module) else ""
