"""The ledger, status texts, handles, paths to what cannot be pickled, tables, names: pure parts by value."""

import copy
import functools
import pickle
import sys
import threading
from types import ModuleType
from typing import Any

import pytest
from far_client import H100, WORKER

from farcell.analysis.needs import is_shells_own
from farcell.analysis.reach import globals_touched
from farcell.exchange.homeward import joined
from farcell.exchange.imports import LazyModule
from farcell.exchange.sessions import FarSession, Sessions
from farcell.handles import Handle, size_text
from farcell.notebook import notebook_name
from farcell.packing import obstacle
from farcell.packing.ledger import Ledger
from farcell.status import devices_text, end_line, progress_line, seconds_text
from farcell.tables import devices_summary, table
from farcell_protocol.errors import ErrorInfo
from farcell_protocol.frames import ValueBack, ValueInfo
from farcell_protocol.ids import RunId, SessionId
from farcell_protocol.messages.api import DeviceView
from farcell_protocol.values import bound_to_notebook, digest_of, pack_value, unpack_value

# ---- ledger and sessions ---------------------------------------------------------------------------


def test_a_value_stands_only_with_the_digest_of_the_last_exchange() -> None:
    ledger = Ledger()
    ledger.exchange("x", "here", "there")
    assert ledger.stands("x", "here")
    assert not ledger.stands("x", "there")
    assert not ledger.stands("y", "here")
    assert ledger.known({"x": "here", "y": "new"}) == {"x": "there", "y": "new"}


def test_a_value_without_a_digest_here_never_stands() -> None:
    ledger = Ledger()
    ledger.exchange("x", "", "there")
    assert not ledger.stands("x", "")


def test_a_session_that_took_anothers_place_ends_it() -> None:
    sessions = Sessions()
    first = sessions.meet(SessionId("s-1"), ("H100", ""))
    first.ledger.exchange("x", "a", "a")
    second = sessions.meet(SessionId("s-2"), ("H100", ""))
    assert not first.alive
    assert not first.ledger.holds("x")
    assert sessions.expected(("H100", "")) is second
    assert sessions.expected(("cpu", "")) is None


def test_a_session_that_is_only_looked_at_is_never_expected() -> None:
    sessions = Sessions()
    mine = sessions.meet(SessionId("s-1"), ("H100", ""))
    other = sessions.visit(SessionId("s-2"), ("H100", ""), notebook="other.ipynb")
    assert (sessions.expected(("H100", "")), mine.alive, other.notebook) == (mine, True, "other.ipynb")
    assert sessions.visit(SessionId("s-1"), ("H100", "")) is mine
    assert list(sessions) == [mine, other]


def test_a_once_session_is_never_expected_again() -> None:
    sessions = Sessions()
    sessions.meet(SessionId("s-1"), ("H100", ""), once=True)
    assert sessions.expected(("H100", "")) is None
    assert sessions.get(SessionId("s-1")) is not None


def test_half_a_value_is_no_value() -> None:
    pieces = [ValueBack("a", "value", b"1", more=True), ValueBack("b", "value", b"2"), ValueBack("a", "value", b"3")]
    assert [(one.name, one.data) for one in joined(pieces)] == [("b", b"2"), ("a", b"13")]
    assert [one.name for one in joined(pieces[:2])] == ["b"]


# ---- status ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (1.24, "1.2 s"), (12.9, "12 s"), (185, "3 min 05 s"), (7400, "2 h 03 min"), (-1, "0.0 s")],
)
def test_durations_are_read_at_a_glance(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_devices_always_say_when_they_are_simulated() -> None:
    real = DeviceView(H100.device, H100.node, "A100", 0)
    assert devices_text([H100, H100]) == "2x H100 (simulated)"
    assert devices_text([real]) == "A100"
    assert devices_text([]) == "CPU"
    assert devices_summary([H100, real, real]) == "1x H100 (simulated), 1 free, 2x A100, 2 free"


def test_lines_say_what_happened() -> None:
    assert progress_line(None, 0).text == "sending…"
    reason = ErrorInfo("worker-killed", "killed by signal 9")
    line = end_line(RunId("r-1"), None, "lost", 2.0, reason)
    assert (line.tone, line.text) == ("bad", "lost: killed by signal 9 · 2.0 s · run r-1")
    assert WORKER.devices


# ---- handles --------------------------------------------------------------------------------------


def handle(**more: Any) -> Handle:
    home = FarSession(SessionId("s-1"), ("H100", ""), "H100 (simulated)", **more)
    info = ValueInfo("numpy.ndarray", "array([[0., ...", 4_000_000, (1000, 1000), "float32", "cpu")
    return Handle(home, "x", info, 5, "its pickle is larger than 1 MiB")


def test_a_handle_shows_what_it_stands_for() -> None:
    text = repr(handle())
    for part in ("numpy.ndarray", "1000x1000", "float32", "3.8 MiB", "session s-1 on H100 (simulated)", "larger than"):
        assert part in text
    assert "released at" in repr(handle(expires=1000.0))
    assert "re-run cell [5]" in repr(handle(ended=1000.0))
    assert "<code>x</code>" in handle()._repr_html_()


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x + 1, lambda x: 1 + x, lambda x: -x, lambda x: x[0], lambda x: len(x), lambda x: list(x),
        lambda x: x(), lambda x: bool(x), lambda x: x < 1, lambda x: x @ x, lambda x: 1 in x, lambda x: float(x),
        lambda x: pickle.dumps(x), lambda x: copy.copy(x),
    ],
)  # fmt: skip
def test_working_on_a_handle_explains_itself(use: Any) -> None:
    with pytest.raises(TypeError, match=r"x is a handle: its value .* lives in session s-1; use it in a %%gpu cell"):
        use(handle())


def test_attributes_of_a_handle_explain_themselves() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'shape': x is a handle"):
        handle().shape
    with pytest.raises(AttributeError, match="cannot set 'a': x is a handle"):
        handle().a = 1
    assert not hasattr(handle(), "_repr_png_")
    assert (handle() == 1, len({handle()})) == (False, 1)


@pytest.mark.parametrize(
    ("size", "text"), [(12, "12 bytes"), (1536, "1.5 KiB"), (5 * 2**30, "5.0 GiB"), (2**41, "2.0 TiB")]
)
def test_sizes_are_read_at_a_glance(size: int, text: str) -> None:
    assert size_text(size) == text


# ---- values ---------------------------------------------------------------------------------------


class Slotted:
    __slots__ = ("inner",)

    def __init__(self, inner: Any) -> None:
        self.inner = inner


def closure(value: Any) -> Any:
    return lambda: value


LOCK = threading.Lock()


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (LOCK, "v"),
        ([1, (2, LOCK)], "v[1][1]"),
        ({"a": {"b": LOCK}}, "v['a']['b']"),
        (Slotted([LOCK]), "v.inner[0]"),
        (closure([LOCK]), "v closure value[0]"),
        (functools.partial(print, LOCK), "v.args[0]"),
        ([[i] for i in range(50)] + [[LOCK]], "v[50][0]"),
    ],
)
def test_the_path_leads_to_what_cannot_be_pickled(value: Any, path: str) -> None:
    assert obstacle.find("v", value, {})[0] == path


def test_a_loop_in_a_value_ends_the_search() -> None:
    value: list[Any] = []
    value += [value, LOCK]
    assert obstacle.find("v", value, {})[0] == "v[1]"


def test_a_value_over_the_limit_is_hashed_whole_and_not_kept() -> None:
    value = b"x" * 300_000
    packed = pack_value(value, {}, 1000)
    assert packed.data is None
    whole = pack_value(value, {}, 10**6)
    assert whole.data is not None
    assert packed.digest == whole.digest == digest_of(whole.data)
    assert packed.size_bytes == len(whole.data)
    assert unpack_value(whole.data) == value


def test_one_flipped_byte_is_another_digest() -> None:
    value = bytearray(1_000_000)
    before = pack_value(value, {}, 0).digest
    value[500_000] = 1
    assert pack_value(value, {}, 0).digest != before


def test_a_reduced_function_takes_no_copy_of_its_globals() -> None:
    reduced = (len, ("code", {"a": 1}, "n"), ({}, {"__globals__": {"a": 1}, "__doc__": None}), None, None, len)
    _, (code, _, name), (_, slots), *_ = bound_to_notebook(reduced)
    assert (code, name, slots) == ("code", "n", {"__globals__": {}, "__doc__": None})


def test_globals_are_found_however_deep() -> None:
    def outer() -> Any:
        global written

        class Inner:
            attribute = in_class  # type: ignore[name-defined]  # noqa: F821

            def method(self) -> Any:
                return [in_method for _ in sys.path]  # type: ignore[name-defined]  # noqa: F821

        written = 1
        return Inner

    touched = globals_touched(outer.__code__)
    assert {"in_class", "in_method", "sys"} <= touched.reads
    assert touched.writes == {"written"}


# ---- modules and names ------------------------------------------------------------------------------


def test_a_lazy_module_is_imported_when_it_is_used_and_travels_by_name() -> None:
    sys.modules.pop("colorsys", None)
    lazy = LazyModule("colorsys")
    data = pack_value(lazy, {}, 1000).data
    assert "colorsys" not in sys.modules
    assert data is not None
    assert isinstance(unpack_value(data), ModuleType)
    assert lazy.rgb_to_hsv(0, 0, 0) == (0.0, 0.0, 0)
    assert LazyModule("xml").dom.__name__ == "xml.dom"
    with pytest.raises(ModuleNotFoundError):
        LazyModule("no_such_module_here").x


@pytest.mark.parametrize(
    "name", ["_", "__", "___", "_i", "_iii", "_5", "_i5", "_ih", "_oh", "_dh", "In", "Out", "__name__"]
)
def test_names_of_the_shell_are_not_the_users(name: str) -> None:
    assert is_shells_own(name)


@pytest.mark.parametrize("name", ["x", "_x", "_internal", "Input", "_h", "__private"])
def test_names_of_the_user_are(name: str) -> None:
    assert not is_shells_own(name)


@pytest.mark.parametrize(
    ("environ", "file", "name"),
    [
        ({"FARCELL_NOTEBOOK": "a", "JPY_SESSION_NAME": "b"}, "kernel-c.json", "a"),
        ({"JPY_SESSION_NAME": "/home/me/b.ipynb"}, "kernel-c.json", "/home/me/b.ipynb"),
        ({}, "/run/kernel-1234-ab.json", "kernel-1234-ab"),
        ({}, "", "terminal-7"),
    ],
)
def test_a_notebook_has_a_name_from_the_best_source(environ: dict[str, str], file: str, name: str) -> None:
    assert notebook_name(environ, file, 7) == name


def test_tables_are_aligned() -> None:
    assert table(("a", "bb"), [("ccc", "d")]) == "a    bb\nccc  d"
