"""Which devices a request gets, and what is said when there are none."""

from dataclasses import replace

import pytest

from farcell_executor.model import Node, NodeState
from farcell_executor.scheduling.placement import Placement, check_fits, is_model, place
from farcell_protocol.errors import NoDeviceFits
from farcell_protocol.gpus import parse_gpus
from tests.unit.executor.scheduling.fleet import a_node, devices

GIB = 2**30


def placed(gpu: str, *nodes: Node, taken: tuple[tuple[str, str], ...] = ()) -> tuple[str, ...] | None:
    """The node and the devices, as plain text."""
    found: Placement | None = place(parse_gpus(gpu), nodes, set(taken))
    return None if found is None else (found.node, *found.devices)


def refusal(gpu: str, *nodes: Node) -> NoDeviceFits:
    with pytest.raises(NoDeviceFits) as caught:
        check_fits(parse_gpus(gpu), nodes)
    return caught.value


def test_a_free_device_of_the_model_is_given():
    assert placed("H100", a_node("n", *devices("n", "H100", 2)), taken=(("n", "H100-0"),)) == ("n", "H100-1")


def test_all_devices_come_from_one_node_or_none_are_given():
    nodes = [a_node(name, *devices(name, "H100", 2)) for name in ("a", "b")]
    assert placed("H100:2", *nodes, taken=(("a", "H100-0"),)) == ("b", "H100-0", "H100-1")
    assert placed("H100:2", *nodes, taken=(("a", "H100-0"), ("b", "H100-1"))) is None


def test_the_node_with_the_fewest_devices_left_over_is_chosen():
    big, small = a_node("a-big", *devices("a-big", "H100", 8)), a_node("small", *devices("small", "H100", 2))
    assert placed("H100", big, small) == ("small", "H100-0")
    assert placed("H100:4", big, small) == ("a-big", "H100-0", "H100-1", "H100-2", "H100-3")


def test_of_alternatives_the_first_that_is_free_is_chosen():
    node = a_node("n", *devices("n", "A100", 1), *devices("n", "H100", 1))
    assert placed("A100,H100", node) == ("n", "A100-0")
    assert placed("H100,A100", node) == ("n", "H100-0")
    assert placed("A100,H100", node, taken=(("n", "A100-0"),)) == ("n", "H100-0")


def test_any_gpu_is_the_one_with_the_least_memory():
    node = a_node("n", *devices("n", "H100", 1, memory_bytes=80 * GIB), *devices("n", "T4", 1, memory_bytes=16 * GIB))
    assert placed("", node) == ("n", "T4-0")
    assert placed("", node, taken=(("n", "T4-0"),)) == ("n", "H100-0")


def test_several_of_any_gpu_are_of_one_model():
    node = a_node("n", *devices("n", "T4", 1), *devices("n", "H100", 2))
    assert placed("any:2", node) == ("n", "H100-0", "H100-1")


def test_real_devices_come_before_simulated_ones_and_are_never_mixed_with_them():
    pretended = tuple(replace(one, id=f"sim-{one.index}") for one in devices("n", "H100", 2, simulated=True))
    node = a_node("n", *pretended, *devices("n", "H100", 1))
    assert placed("H100", node) == ("n", "H100-0")
    assert placed("H100:2", node) == ("n", "sim-0", "sim-1")
    assert placed("H100:3", node) is None


def test_a_device_in_trouble_is_not_given():
    assert placed("H100", a_node("n", *devices("n", "H100", 1, trouble="ECC errors"))) is None


def test_a_node_whose_link_is_down_gets_nothing():
    node = replace(a_node("n", *devices("n", "H100", 1)), state=NodeState.UNKNOWN)
    assert placed("H100", node) is None
    assert placed("cpu", node) is None


def test_cpu_goes_to_the_embedded_node_else_to_any():
    far, here = a_node("a-far", embedded=False), a_node("here", embedded=True)
    assert placed("cpu", far, here) == ("here",)
    assert placed("cpu", far) == ("a-far",)
    assert placed("cpu") is None


def test_the_same_device_id_on_two_nodes_is_two_devices():
    nodes = [a_node(name, *devices(name, "H100", 1)) for name in ("a", "b")]
    assert placed("H100", *nodes, taken=(("a", "H100-0"),)) == ("b", "H100-0")


@pytest.mark.parametrize(
    ("wanted", "model", "meant"),
    [
        ("H100", "H100", True),
        ("H100", "NVIDIA H100 80GB HBM3", True),
        ("A100-80GB", "NVIDIA A100-SXM4-80GB", True),
        ("RTX 4090", "NVIDIA GeForce RTX 4090", True),
        ("L4", "NVIDIA L40", False),
        ("A100", "NVIDIA A1000", False),
        ("4090 RTX", "NVIDIA GeForce RTX 4090", False),
        ("any", "whatever", True),
    ],
)
def test_a_model_is_meant_by_its_words_in_their_order(wanted: str, model: str, meant: bool):
    assert is_model(wanted, model) is meant


# ---- what can never be had ---------------------------------------------------------------------------


def test_a_model_that_is_nowhere_is_refused_with_what_exists():
    a, b = a_node("a", *devices("a", "A100", 2, simulated=True)), a_node("b", *devices("b", "T4", 1))
    error = refusal("H100", a, b)
    assert str(error).startswith("no H100 here: this executor has 2 x A100 (simulated), 1 x T4; use %%gpu cpu")
    assert "%gpu simulate H100" in str(error)
    assert error.fields["available"] == [
        {"model": "A100", "simulated": True, "trouble": False, "count": 2},
        {"model": "T4", "simulated": False, "trouble": False, "count": 1},
    ]
    assert (error.fields["gpu"], error.fields["count"]) == ("H100", 1)


def test_without_any_gpu_that_is_what_is_said():
    assert "no GPU here: this executor has no GPU;" in str(refusal("", a_node()))


def test_a_broken_device_is_listed_as_such():
    node = a_node("n", *devices("n", "H100", 1, trouble="ECC errors"))
    assert "1 x H100 (out of order)" in str(refusal("H100", node))


def test_more_than_the_largest_node_has_is_refused_with_both_numbers():
    nodes = [a_node("a", *devices("a", "H100", 8)), a_node("b", *devices("b", "H100", 4))]
    error = refusal("H100:9", *nodes)
    assert str(error) == "asked for 9 H100, the largest node has 8"
    assert (error.fields["count"], error.fields["largest"]) == (9, 8)


def test_what_is_taken_or_behind_a_broken_link_can_be_waited_for():
    node = replace(a_node("n", *devices("n", "H100", 1)), state=NodeState.UNKNOWN)
    check_fits(parse_gpus("H100"), [node])
    check_fits(parse_gpus("cpu"), [node])


def test_one_good_alternative_is_enough():
    check_fits(parse_gpus("B200,T4"), [a_node("n", *devices("n", "T4", 1))])
