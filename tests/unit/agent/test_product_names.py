"""What users call the GPUs that NVML names."""

import pytest

from farcell_agent.product_names import short_name
from farcell_protocol.gpus import parse_gpus

NAMES = {
    "NVIDIA H100 80GB HBM3": "H100",
    "NVIDIA H100 PCIe": "H100",
    "NVIDIA H100 NVL": "H100",
    "NVIDIA H200": "H200",
    "NVIDIA H20": "H20",
    "NVIDIA B200": "B200",
    "NVIDIA GB200": "GB200",
    "NVIDIA GB10": "GB10",
    "NVIDIA GH200 480GB": "GH200",
    "NVIDIA GH200 144G HBM3e": "GH200",
    "NVIDIA A100-SXM4-40GB": "A100",
    "NVIDIA A100 80GB PCIe": "A100",
    "A100-PCIE-40GB": "A100",
    "NVIDIA A800-SXM4-80GB": "A800",
    "NVIDIA A10G": "A10G",
    "NVIDIA A30": "A30",
    "NVIDIA L4": "L4",
    "NVIDIA L40S": "L40S",
    "Tesla T4": "T4",
    "Tesla V100-SXM2-16GB": "V100",
    "Tesla P100-PCIE-16GB": "P100",
    "Tesla K80": "K80",
    "NVIDIA GeForce RTX 4090": "RTX 4090",
    "NVIDIA GeForce RTX 4090 Laptop GPU": "RTX 4090 Laptop",
    "NVIDIA GeForce GTX 1080 Ti": "GTX 1080 Ti",
    "GeForce RTX 2080 Ti": "RTX 2080 Ti",
    "NVIDIA RTX A6000": "RTX A6000",
    "NVIDIA RTX 6000 Ada Generation": "RTX 6000 Ada",
    "NVIDIA RTX PRO 6000 Blackwell Server Edition": "RTX PRO 6000 Blackwell",
    "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition": "RTX PRO 6000 Blackwell",
    "Quadro RTX 8000": "Quadro RTX 8000",
    "NVIDIA TITAN RTX": "TITAN RTX",
    "NVIDIA A40-48Q": "A40-48Q",
    "Orin (nvgpu)": "Orin",
    "NVIDIA A100-SXM4-40GB MIG 1g.5gb": "A100 MIG 1g.5gb",
    "NVIDIA H100 80GB HBM3 MIG 1g.10gb+me": "H100 MIG 1g.10gb.me",
    "NVIDIA Graphics Device": "Graphics Device",
    "NVIDIA": "GPU",
    "": "GPU",
    "??:!!": "GPU",
}


@pytest.mark.parametrize(("product", "model"), NAMES.items())
def test_a_product_is_known_by_the_name_that_users_write(product: str, model: str):
    assert short_name(product) == model


@pytest.mark.parametrize("model", sorted(set(NAMES.values())))
def test_every_short_name_can_be_asked_for(model: str):
    assert parse_gpus(f"{model}:2").models == (model.upper(),)
