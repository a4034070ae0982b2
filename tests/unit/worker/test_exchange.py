"""Values in and out of cells, through real workers."""

import pickle
import sys
from typing import Any

import cloudpickle
import pytest

from farcell_protocol.frames import VALUE_CHUNK_BYTES, ValueBack
from farcell_protocol.messages.cells import Cell, Value, encode_cell
from tests.unit.worker.standin import PYTHON, FarWorker, value_of


def sent(name: str, value: Any) -> Value:
    return value_of(name, pickle.dumps(value, 5))


def test_values_are_bound_before_the_cell_and_new_names_come_home(worker: FarWorker) -> None:
    ran = worker.run("y = x + 1", values=[sent("x", 41)], returns=["x", "y"])
    assert ran.names_back() == ["y"]
    assert pickle.loads(ran.pickle_of("y")) == 42


@pytest.mark.parametrize(
    "value", [[1, 2], {"a": "a" * 10, "b": ["a" * 10] * 2}, {3, 1, 2}, "text", 1.5, None, (1, [2]), b"x" * 100_000]
)
def test_a_value_that_was_only_read_does_not_come_back(worker: FarWorker, value: Any) -> None:
    first = sent("x", value)
    assert worker.run("str(x)", values=[first], returns=["x"]).names_back() == []
    assert worker.run("str(x);", known={"x": first.digest}, returns=["x"]).names_back() == []


def test_a_value_changed_in_place_comes_back(worker: FarWorker) -> None:
    ran = worker.run("x.append(3)", values=[sent("x", [1, 2])], returns=["x"])
    assert pickle.loads(ran.pickle_of("x")) == [1, 2, 3]
    digest = ran.backs("x")[0].digest
    assert worker.run("x", known={"x": digest}, returns=["x"]).names_back() == []
    assert worker.run("x[0] = 9", known={"x": digest}, returns=["x"]).names_back() == ["x"]


def test_what_somebody_else_bound_in_the_session_stays_there(worker: FarWorker) -> None:
    worker.run("x = [1]; import math; from fractions import Fraction")
    names = ["x", "math", "Fraction"]
    assert worker.run("x\nif 0: x = 2; import math; from fractions import Fraction", returns=names).names_back() == []
    assert worker.run("1/0; x = 2", returns=["x"], known={"x": ""}).names_back() == []


def test_what_the_client_asks_for_comes_even_if_it_is_bound_to_the_same_object_again(worker: FarWorker) -> None:
    worker.run("x = y = [1]; import math; from fractions import Fraction")
    names = ["x", "math", "Fraction"]
    cell = "x = y; import math; from fractions import Fraction"
    assert worker.run(cell, returns=names, known=dict.fromkeys(names, "")).names_back() == names


@pytest.mark.parametrize("value", ["7", "None", "True", "'word'", "''", "b''", "()"])
def test_rebinding_what_python_has_one_object_of_is_never_overlooked(worker: FarWorker, value: str) -> None:
    worker.run(f"x = {value}")
    assert worker.run(f"for x in [{value}]: pass", returns=["x"]).names_back() == ["x"]


def test_the_result_that_was_displayed_comes_back_as_underscore(worker: FarWorker) -> None:
    ran = worker.run("[1, 2]", returns=["_"], execution_count=7)
    assert pickle.loads(ran.pickle_of("_")) == [1, 2]
    assert worker.run("[1, 2];", returns=["_"], execution_count=8).names_back() == []
    assert worker.run("x = 1", returns=["_"], execution_count=7).names_back() == []  # a new kernel's seventh cell
    ran = worker.run("import threading\nthreading.Lock()", returns=["_"], execution_count=9)
    assert ran.backs("_")[0].status == "handle"


def test_a_value_bound_back_to_what_the_client_holds_does_not_travel(worker: FarWorker) -> None:
    first = sent("x", [1])
    assert worker.run("x = [1]", values=[first], returns=["x"]).names_back() == []


def test_names_bound_before_an_error_come_back(worker: FarWorker) -> None:
    ran = worker.run("a = 1\n1/0\nb = 2", returns=["a", "b"])
    assert ran.names_back() == ["a"]
    assert ran.end.outcome == "error"


def test_a_name_the_cell_deleted_is_reported_once(worker: FarWorker) -> None:
    ran = worker.run("del x", values=[sent("x", 1)], returns=["x"])
    assert ran.backs("x") == [ValueBack("x", "deleted")]
    assert worker.run("1", returns=["x"]).names_back() == []


def test_large_values_come_in_pieces_up_to_the_limit_and_as_handles_beyond(worker: FarWorker) -> None:
    ran = worker.run("x = bytes(range(256)) * 5000", returns=["x"], inline_limit_bytes=2 * 2**20)
    assert len(ran.backs("x")) == 1_280_000 // VALUE_CHUNK_BYTES + 1
    assert pickle.loads(ran.pickle_of("x")) == bytes(range(256)) * 5000
    [back] = worker.run("x = x * 2", returns=["x"]).backs("x")
    assert (back.status, back.data) == ("handle", b"")
    assert "larger than 1,048,576 bytes" in back.why
    assert back.info is not None
    assert (back.info.type, back.info.size_bytes) == ("bytes", 2_560_033)


def test_a_large_value_the_client_sent_and_nobody_changed_stays_the_clients(worker: FarWorker) -> None:
    first = sent("x", list(range(500_000)))
    assert len(first.data) > 2**20
    assert worker.run("len(x)", values=[first], returns=["x"]).names_back() == []
    assert worker.run("len(x)", known={"x": first.digest}, returns=["x"]).names_back() == []
    [back] = worker.run("x[7] = 0", known={"x": first.digest}, returns=["x"]).backs("x")
    assert back.status == "handle"


def test_an_endless_pickle_is_given_up_at_the_limit(worker: FarWorker) -> None:
    ran = worker.run(
        "class Endless(list):\n"
        "  def __reduce__(self): return (list, (), None, iter(lambda: 'x' * 100, None))\n"
        "x = Endless()",
        returns=["x"],
    )
    [back] = ran.backs("x")
    assert (back.status, "larger than" in back.why) == ("handle", True)


def test_a_handle_shows_shape_type_and_size_of_an_array(worker: FarWorker) -> None:
    pytest.importorskip("numpy")
    ran = worker.run("import numpy as np\nx = np.zeros((1000, 500), 'f4')\ny = [x, x]", returns=["x", "y", "np"])
    info = ran.backs("x")[0].info
    assert info is not None
    assert (info.type, info.shape, info.dtype) == ("numpy.ndarray", (1000, 500), "float32")
    assert info.size_bytes == 2_000_000
    assert ran.backs("y")[0].status == "handle"
    assert ran.names_back() == ["x", "y", "np"]


def test_what_cannot_be_pickled_stays_with_the_reason(worker: FarWorker) -> None:
    ran = worker.run(
        "import threading\n"
        "lock = threading.Lock()\n"
        "class Broken:\n"
        "  def __reduce__(self): raise SystemExit\n"
        "  def __repr__(self): raise ValueError\n"
        "broken = Broken()\n"
        "deep = []\n"
        "for _ in range(100_000): deep = [deep]\n"
        "fine = 1",
        returns=["lock", "broken", "deep", "fine"],
    )
    statuses = {name: ran.backs(name)[0].status for name in ran.names_back()}
    assert statuses == {"lock": "handle", "broken": "handle", "deep": "handle", "fine": "value"}
    assert "cannot pickle '_thread.lock' object" in ran.backs("lock")[0].why
    assert ran.backs("broken")[0].info.repr == "<__main__.Broken>"  # type: ignore[union-attr]
    assert ran.end.outcome == "ok"


def test_a_value_that_raises_at_every_look_stays_and_takes_nothing_with_it(worker: FarWorker) -> None:
    ran = worker.run(
        "import weakref\n"
        "class Shy:\n"
        "  def __getattribute__(self, name): raise RuntimeError(name)\n"
        "shy = Shy()\n"
        "gone = weakref.proxy(type('Thing', (), {})())\n"
        "fine = 1",
        returns=["shy", "gone", "fine"],
    )
    statuses = {name: ran.backs(name)[0].status for name in ran.names_back()}
    assert statuses == {"shy": "handle", "gone": "handle", "fine": "value"}
    assert ran.end.outcome == "ok"
    assert worker.run("1", returns=["shy", "gone", "fine"]).end.outcome == "ok"


def test_an_imported_module_comes_as_its_name_and_what_was_only_read_stays(worker: FarWorker) -> None:
    def double(x: int) -> int:
        return 2 * x

    data = cloudpickle.dumps(double)
    ran = worker.run("import math\ny = double(4)", values=[value_of("double", data)], returns=["double", "math", "y"])
    assert ran.names_back() == ["math", "y"]
    assert ran.backs("math") == [ValueBack("math", "module", b"math")]
    assert worker.run("double(4)", returns=["double", "math"]).names_back() == []


def test_a_module_that_nothing_can_import_stays(worker: FarWorker) -> None:
    assert worker.run("import types\nm = types.ModuleType('m')", returns=["m"]).names_back() == []


def test_functions_and_classes_come_home_by_value_and_read_the_names_of_the_notebook_there(
    worker: FarWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = worker.run(
        "k = 3\ndef f(x): return k * x\nclass P:\n  def __init__(self): self.x = 5\np = P()\nps = {'a': [p]}",
        returns=["f", "P", "p", "ps"],
    )
    assert not hasattr(sys.modules["__main__"], "P")
    monkeypatch.setitem(vars(sys.modules["__main__"]), "k", 5)
    assert pickle.loads(ran.pickle_of("f"))(4) == 20
    assert pickle.loads(ran.pickle_of("P"))().x == 5
    assert pickle.loads(ran.pickle_of("p")).x == 5
    assert pickle.loads(ran.pickle_of("ps"))["a"][0].x == 5


def test_an_instance_of_a_class_the_client_sent_is_of_that_class_again_at_home(worker: FarWorker) -> None:
    kind = type("Point", (), {"__module__": "__main__"})
    ran = worker.run("p = Point()", values=[value_of("Point", cloudpickle.dumps(kind))], returns=["p", "Point"])
    assert ran.names_back() == ["p"]
    assert type(pickle.loads(ran.pickle_of("p"))) is kind


def test_values_of_another_python_are_refused_before_they_are_loaded(worker: FarWorker) -> None:
    trap = Value("x", b"cos\n_exit\n(I7\ntR.", "")
    ran = worker.collect(worker.send(Cell("print('ran')", "3.99.1", values=[trap])))
    assert ran.end.outcome == "refused"
    assert ran.end.reason is not None
    assert ran.end.reason.code == "python-mismatch"
    assert "3.99.1" in ran.end.reason.message
    assert PYTHON in ran.end.reason.message
    assert ran.text() == ""
    assert worker.collect(worker.send(Cell("print('ran')", "3.99.1"))).text() == "ran\n"


def test_a_value_that_cannot_be_loaded_is_named_and_none_is_bound(worker: FarWorker) -> None:
    bad = Value("bad", b"cnowhere_to_be_found\nthing\n.", "")
    ran = worker.run("print('ran')", values=[sent("good", 1), bad])
    assert ran.end.reason is not None
    assert (ran.end.outcome, ran.end.reason.code) == ("refused", "bad-request")
    assert "'bad'" in ran.end.reason.message
    assert "nowhere_to_be_found" in ran.end.reason.message
    assert worker.run("'good' in globals()").result == "False"


def test_a_payload_that_is_no_cell_is_refused(worker: FarWorker) -> None:
    ran = worker.collect(worker.send_payload(b"\x01nonsense"))
    assert ran.end.outcome == "refused"
    assert ran.end.reason is not None
    assert ran.end.reason.code == "bad-request"
    assert worker.run("1").result == "1"


def test_fetched_values_come_whole_and_nothing_runs(worker: FarWorker) -> None:
    worker.run("x = b'x' * 3_000_000\nimport threading; lock = threading.Lock()")
    ran = worker.run("print('ran')", fetch=["x", "lock"])
    assert pickle.loads(ran.pickle_of("x")) == b"x" * 3_000_000
    assert ran.backs("lock")[0].status == "handle"
    assert (ran.text(), ran.end.outcome) == ("", "ok")


def test_fetching_a_name_that_is_not_bound_says_so(worker: FarWorker) -> None:
    ran = worker.run("", fetch=["gone"])
    assert ran.end.reason is not None
    assert (ran.end.outcome, ran.end.reason.code) == ("refused", "not-found")
    assert "name 'gone' is not defined" in ran.end.reason.message


def test_runs_are_executed_in_the_order_they_were_sent(worker: FarWorker) -> None:
    runs = [worker.send_payload(encode_cell(Cell(f"print({i})", PYTHON))) for i in range(20)]
    assert [worker.collect(run).text() for run in runs] == [f"{i}\n" for i in range(20)]
