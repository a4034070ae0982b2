"""The inventory on a host with a real GPU; everywhere else the fake under `tests/fakes/nvml.py` stands in."""

import subprocess

import pytest

from farcell_agent.devices import device_id
from farcell_agent.nvml import Nvml, Reading
from farcell_agent.product_names import short_name
from farcell_protocol.ids import is_id

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def reading() -> Reading:
    nvml = Nvml()
    found = nvml.read()
    nvml.close()
    if not found.gpus:
        pytest.skip(f"no GPU: {'; '.join(found.notes)}")
    return found


def test_every_gpu_has_an_id_a_model_and_memory_or_a_reason(reading: Reading):
    for gpu in reading.gpus:
        assert is_id(device_id(gpu.uuid), "d")
        assert short_name(gpu.product) != "GPU"
        assert gpu.memory_bytes is None or gpu.memory_bytes > 2**30
        assert gpu.error == ""
    assert reading.notes == ()


def test_it_agrees_with_nvidia_smi(reading: Reading):
    whole = [gpu for gpu in reading.gpus if gpu.uuid.startswith("GPU-")]
    if not whole:
        pytest.skip("all GPUs are cut into slices")
    query = ["nvidia-smi", "--query-gpu=uuid,name", "--format=csv,noheader"]
    said = subprocess.run(query, capture_output=True, text=True, check=True, timeout=30).stdout
    assert {f"{gpu.uuid}, {gpu.product}" for gpu in whole} <= set(said.splitlines())
