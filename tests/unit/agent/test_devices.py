"""The inventory: NVML in all its moods, and simulated devices."""

from pathlib import Path

import pynvml
import pytest

from farcell_agent.devices import Devices, device_id
from farcell_agent.nvml import Gpu, Nvml, Reading
from farcell_agent.simulated import MOST, SimulatedDevices, parse_simulated
from farcell_protocol.errors import BadSpec, WorkerNotStarted
from farcell_protocol.ids import DeviceId, NodeId, is_id
from tests.fakes.nvml import GIB, H100, FakeGpu, FakeNvml, gpus, uuids

FIRST, SECOND = (uuid for uuid, _ in zip(uuids(), range(2), strict=False))


def read(library: FakeNvml) -> Reading:
    return Nvml(lambda: library).read()


def devices(library: FakeNvml, folder: Path) -> Devices:
    return Devices(Nvml(lambda: library), SimulatedDevices(NodeId("n-one"), folder / "simulated.json"))


def test_healthy_gpus_are_read_with_memory_and_processes():
    library = FakeNvml([FakeGpu(FIRST, pids=(7, 8)), FakeGpu(SECOND, name=b"Tesla T4", memory=16 * GIB)])
    assert read(library) == Reading(
        (Gpu(FIRST, H100, 0, 80 * GIB, (7, 8)), Gpu(SECOND, "Tesla T4", 1, 16 * GIB, ())),
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, "no NVIDIA driver is installed"),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "installed but not loaded"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "reboot"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "may not use the NVIDIA driver"),
        (pynvml.NVML_ERROR_FUNCTION_NOT_FOUND, "too old"),
        (pynvml.NVML_ERROR_UNKNOWN, "Unknown Error"),
    ],
)
def test_a_driver_that_cannot_be_asked_is_one_sentence(error: int, words: str):
    at_init = read(FakeNvml(init_error=error))
    at_count = read(FakeNvml(gpus(1), count_error=error))
    assert at_init == at_count
    assert at_init.gpus == ()
    (note,) = at_init.notes
    assert words in note


def test_without_the_binding_no_gpu_is_found():
    def missing() -> None:
        raise ImportError

    assert "nvidia-ml-py is missing" in Nvml(missing).read().notes[0]


def test_a_driver_without_gpus_says_so():
    assert read(FakeNvml()).notes == ("the NVIDIA driver is loaded but reports no GPU",)


def test_counters_a_gpu_does_not_have_are_simply_unknown():
    unsupported = pynvml.NVML_ERROR_NOT_SUPPORTED
    library = FakeNvml([FakeGpu(FIRST, "NVIDIA GB10", memory_error=unsupported, pids=unsupported)])
    assert read(library).gpus == (Gpu(FIRST, "NVIDIA GB10", 0, None, None),)


def test_a_failing_gpu_does_not_hide_the_others():
    library = FakeNvml([pynvml.NVML_ERROR_GPU_IS_LOST, FakeGpu(SECOND)])
    assert read(library) == Reading((Gpu(SECOND, H100, 1, 80 * GIB, ()),), ("GPU 0 cannot be read: GPU is lost",))


def test_a_gpu_cut_into_slices_is_its_slices():
    slices = tuple(FakeGpu(uuid, f"{H100} MIG 1g.10gb", 10 * GIB) for uuid, _ in zip(uuids("MIG"), "ab", strict=False))
    library = FakeNvml([FakeGpu(FIRST, mig=slices), FakeGpu(SECOND, mig=None)])
    assert [(gpu.uuid[:3], gpu.index) for gpu in read(library).gpus] == [("MIG", 0), ("MIG", 0), ("GPU", 1)]


def test_nvml_is_initialised_once_and_again_after_it_failed():
    library = FakeNvml(gpus(1))
    nvml = Nvml(lambda: library)
    nvml.read()
    nvml.read()
    assert library.initialised == 1
    library.count_error = pynvml.NVML_ERROR_DRIVER_NOT_LOADED
    assert nvml.read().gpus == ()
    assert library.initialised == 0
    library.count_error = 0
    assert len(nvml.read().gpus) == 1
    nvml.close()
    nvml.close()
    assert library.initialised == 0


def test_a_device_id_is_the_same_for_ever_and_recognisable():
    assert device_id("GPU-8f6e1a2b-c3d4-4000-8000-0123456789ab") == "d-8f6e1a2bc3d4"
    assert is_id(device_id("GPU-8F6E1A2B-C3D4-4000-8000-0123456789AB"), "d")
    assert is_id(device_id("MIG-GPU-8f6e1a2b-c3d4-4000-8000-0123456789ab/1/0"), "d")


async def test_a_gpu_in_use_by_others_is_in_trouble_and_one_of_ours_is_not(tmp_path: Path):
    inventory = devices(FakeNvml(gpus(2, pids=(11, 12))), tmp_path)
    await inventory.refresh()
    ours, other = [report.device for report in inventory.reports()]
    assert [report.trouble for report in inventory.reports([ours])] == ["", "in use by another program (pid 11, 12)"]
    inventory.check([ours], [ours])
    with pytest.raises(WorkerNotStarted, match=r"H100 d-\w+ cannot be used: in use by another program"):
        inventory.check([other], [ours])


async def test_a_gpu_that_vanished_is_in_trouble_until_it_is_back(tmp_path: Path):
    library = FakeNvml(gpus(2))
    inventory = devices(library, tmp_path)
    await inventory.refresh()
    (library.gpus[1], lost) = (pynvml.NVML_ERROR_GPU_IS_LOST, library.gpus[1])
    await inventory.refresh()
    assert [report.trouble for report in inventory.reports()] == ["", "the driver no longer reports it"]
    assert inventory.notes == ["GPU 1 cannot be read: GPU is lost"]
    library.gpus[1] = lost
    await inventory.refresh()
    assert [report.trouble for report in inventory.reports()] == ["", ""]


async def test_a_gpu_with_an_error_is_in_trouble(tmp_path: Path):
    inventory = devices(FakeNvml(gpus(1, memory_error=pynvml.NVML_ERROR_UNKNOWN)), tmp_path)
    await inventory.refresh()
    assert inventory.reports()[0].trouble == "the driver reports an error: Unknown Error"


def test_a_device_that_is_not_here_cannot_be_had(tmp_path: Path):
    with pytest.raises(WorkerNotStarted, match="no device d-nowhere"):
        devices(FakeNvml(), tmp_path).check([DeviceId("d-nowhere")])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", {}),
        ("H100", {"H100": 1}),
        ("h100:2,A100", {"H100": 2, "A100": 1}),
        ("H100, H100:2", {"H100": 3}),
        ("RTX 4090:8", {"RTX 4090": 8}),
    ],
)
def test_simulated_devices_are_read(text: str, wanted: dict[str, int]):
    assert parse_simulated(text) == wanted


@pytest.mark.parametrize("text", ["cpu", "any", "H100:0", "H100:x", ",", "H100,", "!", f"H100:{MOST + 1}"])
def test_what_cannot_be_simulated_is_refused(text: str):
    with pytest.raises(BadSpec):
        parse_simulated(text)


def test_simulated_devices_top_up_keep_their_ids_and_survive_a_restart(tmp_path: Path):
    file = tmp_path / "simulated.json"
    first = SimulatedDevices(NodeId("n-one"), file)
    assert first.add("H100")
    (before,) = first.reports()
    assert (before.device, before.model, before.simulated) == ("n-one-sim-H100-0", "H100", True)
    assert first.add("H100:2,RTX 4090")
    assert not first.add("H100")
    again = SimulatedDevices(NodeId("n-one"), file)
    assert [report.device for report in again.reports()] == [
        "n-one-sim-H100-0",
        "n-one-sim-H100-1",
        "n-one-sim-RTX-4090-0",
    ]
    again.forget()
    again.forget()
    assert list(SimulatedDevices(NodeId("n-one"), file).reports()) == []


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"H100": "x"}'])
def test_a_torn_file_of_simulated_devices_is_none(tmp_path: Path, text: str):
    (tmp_path / "simulated.json").write_text(text)
    assert list(SimulatedDevices(NodeId("n"), tmp_path / "simulated.json").reports()) == []
