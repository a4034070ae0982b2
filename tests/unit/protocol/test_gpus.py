"""How a GPU is asked for."""

import pytest

from farcell_protocol.errors import BadSpec
from farcell_protocol.gpus import ANY, GpuSpec, parse_gpus


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("", GpuSpec((ANY,), 1)),
        ("any", GpuSpec((ANY,), 1)),
        ("any:2", GpuSpec((ANY,), 2)),
        ("cpu", GpuSpec((), 0)),
        ("CPU", GpuSpec((), 0)),
        ("H100", GpuSpec(("H100",), 1)),
        ("h100:2", GpuSpec(("H100",), 2)),
        ("A100,H100", GpuSpec(("A100", "H100"), 1)),
        ("A100:2, H100:2", GpuSpec(("A100", "H100"), 2)),
        ("H100,H100", GpuSpec(("H100",), 1)),
        ("RTX 4090", GpuSpec(("RTX 4090",), 1)),
        ("L40S:9", GpuSpec(("L40S",), 9)),
    ],
)
def test_a_specification_is_read(text: str, spec: GpuSpec):
    assert parse_gpus(text) == spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("H100 ", "has blanks around it; write 'H100'"),
        (" ", "has blanks around it"),
        ("H100:0", "whole number from 1 up"),
        ("H100:-1", "whole number from 1 up"),
        ("H100:two", "whole number from 1 up"),
        ("H100:", "whole number from 1 up"),
        ("H100:٢", "whole number from 1 up"),
        ("H100:10001", "at most 10,000"),
        ("H100:" + "9" * 5000, "at most 10,000"),
        ("A100:2,H100", "different counts"),
        ("cpu,H100", "cpu stands alone"),
        ("cpu:2", "cpu stands alone"),
        ("8", "is not a GPU"),
        ("H100,", "is not a GPU"),
        ("$(rm -rf)", "is not a GPU"),
        ("H100\nA100", "is not a GPU"),
        ("x" * 10_000 + "!", "is not a GPU"),
    ],
)
def test_anything_else_is_refused_with_what_to_write(text: str, message: str):
    with pytest.raises(BadSpec, match=message):
        parse_gpus(text)


@pytest.mark.parametrize("text", ["", "cpu", "h100", "A100:2,h100:2", "rtx 4090:3"])
def test_the_canonical_text_reads_as_the_same_specification(text: str):
    spec = parse_gpus(text)
    assert parse_gpus(str(spec)) == spec
