"""From the name that NVML gives a GPU to the one people ask for: `NVIDIA H100 80GB HBM3` is an `H100`. Pure."""

import re

from farcell_protocol.errors import BadSpec
from farcell_protocol.gpus import parse_gpus

# What a name carries beside the model: who made it, how it is built in, how much memory it has.
_NOISE = re.compile(
    r"""NVIDIA | Tesla | GeForce | SXM\d? | PCI-?E | NVL | HBM\d+e? | GDDR\d\w*
      | \d+(\.\d+)?GB? | GPU | Generation | Server | Workstation | Max-Q | Edition | \(.*\)""",
    re.IGNORECASE | re.VERBOSE,
)
_SLICE = re.compile(r"\bMIG\s+(\S+)")


def short_name(product: str) -> str:
    """The model of a device, as users write it in a specification.

    A MIG slice keeps its profile ("A100 MIG 1g.5gb"): whoever asks for an A100 wants a whole one. "GPU"
    when nothing readable is left.
    """
    mig = _SLICE.search(product)
    whole = product[: mig.start()] if mig else product
    words = [_without_form(word) for word in re.sub(r"\(.*?\)", " ", whole).split()]
    model = " ".join(word for word in words if word)
    if not _can_be_asked_for(model):
        model = "GPU"
    return f"{model} MIG {_profile(mig[1])}" if mig else model


def _can_be_asked_for(model: str) -> bool:
    try:
        return parse_gpus(model).models == (model.upper(),)
    except BadSpec:
        return False


def _without_form(word: str) -> str:
    """A word without its noisy parts; "A100-SXM4-40GB" is "A100", but "A40-48Q" (a vGPU profile) stays whole."""
    if _NOISE.fullmatch(word):
        return ""
    return "-".join(part for part in word.split("-") if not _NOISE.fullmatch(part))


def _profile(text: str) -> str:
    # A specification cannot hold the plus sign of profiles with media engines ("1g.10gb+me").
    return text.replace("+", ".")
