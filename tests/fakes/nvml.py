"""NVML at the boundary of its Python binding: the functions, constants and errors of `pynvml` that we use,
acting out a script of devices. An answer that is an error code is raised, as the driver would.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pynvml

H100 = "NVIDIA H100 80GB HBM3"
GIB = 2**30


@dataclass(frozen=True)
class FakeGpu:
    """One GPU's answers; an int where text or a list is expected is an NVML error code."""

    uuid: str | int
    name: str | bytes | int = H100
    memory: int | None = 80 * GIB
    memory_error: int = 0
    pids: tuple[int, ...] | int = ()
    mig: tuple["FakeGpu", ...] | int | None = pynvml.NVML_ERROR_NOT_SUPPORTED


@dataclass
class FakeNvml:
    """Stands in for the module. `gpus` may be changed between readings."""

    gpus: list[FakeGpu | int] = field(default_factory=list)
    init_error: int = 0
    count_error: int = 0
    initialised: int = 0

    NVMLError = pynvml.NVMLError
    NVML_DEVICE_MIG_ENABLE = pynvml.NVML_DEVICE_MIG_ENABLE
    NVML_ERROR_LIBRARY_NOT_FOUND = pynvml.NVML_ERROR_LIBRARY_NOT_FOUND
    NVML_ERROR_DRIVER_NOT_LOADED = pynvml.NVML_ERROR_DRIVER_NOT_LOADED
    NVML_ERROR_LIB_RM_VERSION_MISMATCH = pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH
    NVML_ERROR_NO_PERMISSION = pynvml.NVML_ERROR_NO_PERMISSION
    NVML_ERROR_FUNCTION_NOT_FOUND = pynvml.NVML_ERROR_FUNCTION_NOT_FOUND
    NVML_ERROR_NOT_SUPPORTED = pynvml.NVML_ERROR_NOT_SUPPORTED
    NVML_ERROR_NOT_FOUND = pynvml.NVML_ERROR_NOT_FOUND
    NVML_ERROR_ARGUMENT_VERSION_MISMATCH = pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH

    def nvmlInit(self) -> None:
        _raise(self.init_error)
        self.initialised += 1

    def nvmlShutdown(self) -> None:
        self.initialised -= 1

    def nvmlDeviceGetCount(self) -> int:
        _raise(self.count_error)
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeGpu:
        return _answer(self.gpus[index])

    def nvmlDeviceGetUUID(self, gpu: FakeGpu) -> str:
        return _answer(gpu.uuid)

    def nvmlDeviceGetName(self, gpu: FakeGpu) -> str | bytes:
        return _answer(gpu.name)

    def nvmlDeviceGetMemoryInfo(self, gpu: FakeGpu) -> Any:
        _raise(gpu.memory_error)
        return SimpleNamespace(total=gpu.memory)

    def nvmlDeviceGetComputeRunningProcesses(self, gpu: FakeGpu) -> list[Any]:
        return [SimpleNamespace(pid=pid) for pid in _answer(gpu.pids)]

    def nvmlDeviceGetMigMode(self, gpu: FakeGpu) -> list[int]:
        enabled = _answer(gpu.mig) is not None
        return [int(enabled), int(enabled)]

    def nvmlDeviceGetMaxMigDeviceCount(self, gpu: FakeGpu) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, gpu: FakeGpu, index: int) -> FakeGpu:
        slices = _answer(gpu.mig)
        if index >= len(slices):
            _raise(self.NVML_ERROR_NOT_FOUND)
        return slices[index]


def gpus(count: int, **answers: Any) -> list[FakeGpu | int]:
    """Healthy GPUs with UUIDs like real ones."""
    return [replace(FakeGpu(uuid), **answers) for uuid, _ in zip(uuids(), range(count), strict=False)]


def uuids(kind: str = "GPU") -> Iterator[str]:
    """GPU-00000000-0000-4000-8000-000000000000 and so on."""
    number = 0
    while True:
        yield f"{kind}-{number:08x}-00{number:02x}-4000-8000-{number:012x}"
        number += 1


def _answer(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        _raise(value)
    return value


def _raise(code: int) -> None:
    if code:
        raise pynvml.NVMLError(code)


__all__: Sequence[str] = ("GIB", "H100", "FakeGpu", "FakeNvml", "gpus", "uuids")
