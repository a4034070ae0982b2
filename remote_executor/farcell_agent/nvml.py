"""What NVML says of the GPUs of this host. Everything that can be missing is an ordinary case, told in one sentence.

Blocking; `devices` calls it in a thread of its own. The library is loaded at the first reading.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Gpu:
    """One GPU or MIG slice. `uuid` is what CUDA takes; None stands for what this one doesn't tell.

    `pids` are processes with a CUDA context on it, as far as this process may see them.
    """

    uuid: str
    product: str
    index: int
    memory_bytes: int | None = None
    pids: tuple[int, ...] | None = None
    error: str = ""


@dataclass(frozen=True)
class Reading:
    """The GPUs found, and one sentence for each thing that was in the way."""

    gpus: tuple[Gpu, ...] = ()
    notes: tuple[str, ...] = ()


def load_library() -> Any:
    """The NVML binding.

    Raises:
        ImportError: the package is not installed.
    """
    import pynvml

    return pynvml


class Nvml:
    """NVML, initialised at the first reading and again after it failed. Used by one thread at a time."""

    def __init__(self, load: Callable[[], Any] = load_library) -> None:
        self._load = load
        self._library: Any = None

    def read(self) -> Reading:
        """All GPUs now; never raises for anything NVML does."""
        try:
            library = self._library or self._initialise()
        except ImportError:
            return Reading(notes=("the Python package nvidia-ml-py is missing, so no GPU can be found",))
        except _Unusable as err:
            return Reading(notes=(str(err),))
        try:
            return _read(library)
        except library.NVMLError as err:
            self.close()
            return Reading(notes=(_sentence(library, err),))

    def close(self) -> None:
        """Let go of the driver."""
        library, self._library = self._library, None
        if library is not None:
            try:
                library.nvmlShutdown()
            except library.NVMLError:
                return  # it is down already

    def _initialise(self) -> Any:
        library = self._load()
        try:
            library.nvmlInit()
        except library.NVMLError as err:
            raise _Unusable(_sentence(library, err)) from err
        self._library = library
        return library


class _Unusable(Exception):
    """NVML cannot be used here; the text says why."""


def _sentence(library: Any, err: Any) -> str:
    sentences = {
        library.NVML_ERROR_LIBRARY_NOT_FOUND: "no NVIDIA driver is installed here (its NVML library was not found)",
        library.NVML_ERROR_DRIVER_NOT_LOADED: "the NVIDIA driver is installed but not loaded",
        library.NVML_ERROR_LIB_RM_VERSION_MISMATCH: (
            "the NVIDIA driver was changed while loaded (its library and kernel module differ): reboot to use the GPUs"
        ),
        library.NVML_ERROR_NO_PERMISSION: "this user may not use the NVIDIA driver (see the modes of /dev/nvidia*)",
        library.NVML_ERROR_FUNCTION_NOT_FOUND: "the NVIDIA driver is too old to be asked for its GPUs",
    }
    return sentences.get(err.value, f"the NVIDIA driver cannot be asked for its GPUs: {err}")


def _read(library: Any) -> Reading:
    gpus: list[Gpu] = []
    notes: list[str] = []
    count = library.nvmlDeviceGetCount()
    for index in range(count):
        try:
            gpus += _gpus_at(library, index)
        except library.NVMLError as err:
            notes.append(f"GPU {index} cannot be read: {err}")
    if not count:
        notes.append("the NVIDIA driver is loaded but reports no GPU")
    return Reading(tuple(gpus), tuple(notes))


def _gpus_at(library: Any, index: int) -> list[Gpu]:
    """The GPU at this index, or the slices it is cut into."""
    handle = library.nvmlDeviceGetHandleByIndex(index)
    mode = _optional(library, library.nvmlDeviceGetMigMode, handle)
    if mode is None or mode[0] != library.NVML_DEVICE_MIG_ENABLE:
        return [_gpu(library, handle, index)]
    return [_gpu(library, part, index) for part in _slices(library, handle)]


def _slices(library: Any, handle: Any) -> Iterator[Any]:
    for number in range(_optional(library, library.nvmlDeviceGetMaxMigDeviceCount, handle) or 0):
        part = _optional(library, library.nvmlDeviceGetMigDeviceHandleByIndex, handle, number)
        if part is not None:
            yield part


def _gpu(library: Any, handle: Any, index: int) -> Gpu:
    error = ""
    try:
        memory = library.nvmlDeviceGetMemoryInfo(handle).total
    except library.NVMLError as err:
        memory = None  # "[N/A]" where CPU and GPU share one memory
        error = "" if _is_unsupported(library, err) else str(err)
    processes = _optional(library, library.nvmlDeviceGetComputeRunningProcesses, handle)
    return Gpu(
        uuid=_text(library.nvmlDeviceGetUUID(handle)),
        product=_text(library.nvmlDeviceGetName(handle)),
        index=index,
        memory_bytes=memory,
        pids=None if processes is None else tuple(process.pid for process in processes),
        error=error,
    )


def _optional(library: Any, ask: Callable[..., Any], *arguments: Any) -> Any:
    """The answer, or None where this driver or device has none to give."""
    try:
        return ask(*arguments)
    except library.NVMLError as err:
        if _is_unsupported(library, err):
            return None
        raise


def _is_unsupported(library: Any, err: Any) -> bool:
    return err.value in (
        library.NVML_ERROR_NOT_SUPPORTED,
        library.NVML_ERROR_FUNCTION_NOT_FOUND,
        library.NVML_ERROR_NOT_FOUND,
        library.NVML_ERROR_NO_PERMISSION,
        library.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
    )


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
