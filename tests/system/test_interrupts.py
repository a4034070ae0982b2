"""The stop button over far cells: soon, only what was meant, as often as somebody likes, and the session stays.

Pressed as a front end does it: SIGINT to the notebook kernel's process group.
"""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.system.installation import Installation
from tests.system.notebooks import Notebook, Shown, plain

pytestmark = pytest.mark.xdist_group("interrupts")

SOON_S = 2.0
NOT_ALL_CAME = "farcell: interrupted while the results were being sent; some did not come"
GO = "print('go', flush=True)\n"


@pytest.fixture(scope="module")
def notebook(shared_kernel: Notebook) -> Notebook:
    """A notebook whose default session has a lock `kept`, which cannot leave it, and where one H100 is simulated."""
    shared_kernel.ok("%gpu simulate H100")
    shared_kernel.ok("%%gpu cpu\nimport asyncio, ctypes, os, subprocess, threading, time\nkept = threading.Lock()")
    return shared_kernel


@pytest.fixture
def unharmed(notebook: Notebook) -> Iterator[Notebook]:
    """The same; afterwards its session must still be there, with its names."""
    yield notebook
    assert notebook.ok("%%gpu cpu\nkept.locked()").result == "False"


def until_go(shown: Shown) -> bool:
    return "go" in shown.text


def until_offered(shown: Shown) -> bool:
    return any("press again to stop" in str(data) for data in shown.displays)


def press(notebook: Notebook, source: str, *, until: Callable[[Shown], bool] = until_go) -> tuple[Shown, float]:
    """Run a cell, press once it has shown enough, and give what it showed to its end, and after how many seconds."""
    request = notebook.send(source)
    shown = notebook.finish(request, until=until)
    notebook.interrupt()
    began = time.monotonic()
    shown = notebook.finish(request, shown=shown)
    return shown, time.monotonic() - began


@pytest.mark.parametrize(
    "stuck",
    [
        "i = 3\nwhile True: i *= i",
        "while True: pass",
        "time.sleep(60)",
        "!sleep 60",
        "subprocess.run(['sleep', '60'])",
        "os.system('sleep 60')",
        "threading.Event().wait()",
        "await asyncio.sleep(60)",
        "await asyncio.gather(*[asyncio.sleep(60) for _ in range(9)])",
        "while True: ctypes.CDLL(None).usleep(300_000)",
    ],
)
def test_a_cell_ends_soon_after_the_press(unharmed: Notebook, stuck: str):
    shown, seconds = press(unharmed, f"%%gpu cpu\n{GO}{stuck}")
    assert shown.status == "error"
    assert [error["ename"] for error in shown.errors] == ["FarInterrupt"]
    assert seconds < SOON_S, f"{seconds:.2f} s"


@pytest.mark.parametrize(
    ("flood", "enough"),
    [
        ("while True: print('x' * 100)", 5_000_000),
        ("while True: print('x' * 100_000)", 5_000_000),
        ("while True: display('x' * 1000)", 500_000),
        ("subprocess.run(['yes'])", 300_000),
    ],
)
def test_a_cell_that_floods_ends_soon_after_the_press(unharmed: Notebook, flood: str, enough: int):
    size = 0

    def shown_enough(shown: Shown) -> bool:
        nonlocal size
        size += sum(len(str(message["content"])) for message in shown.messages)
        shown.messages.clear()
        return size > enough

    shown, seconds = press(unharmed, f"%%gpu cpu\n{flood}", until=shown_enough)
    assert shown.status == "error"
    assert seconds < SOON_S, f"{seconds:.2f} s"


def test_a_command_of_a_shell_cell_ends_soon_after_the_press(unharmed: Notebook):
    shown, seconds = press(unharmed, "%%gpu cpu\n%%bash\necho go\nsleep 60\necho never")
    assert "never" not in shown.text
    assert seconds < SOON_S


def test_the_traceback_names_the_line(unharmed: Notebook):
    shown, _ = press(unharmed, f"%%gpu cpu\n{GO}time.sleep(60)")
    assert "KeyboardInterrupt" in shown.error
    assert "----> 3 time.sleep(60)" in plain(shown.error)


def test_c_code_that_never_returns_makes_the_offer_and_a_second_press_takes_it(notebook: Notebook):
    request = notebook.send(f"%%gpu cpu --session c-code\n{GO}sum(range(10**12))")
    shown = notebook.finish(request, until=until_go)
    notebook.interrupt()
    began = time.monotonic()
    shown = notebook.finish(request, shown=shown, until=until_offered)
    offered = time.monotonic() - began
    notebook.interrupt()
    shown = notebook.finish(request, shown=shown)
    ended = time.monotonic() - began - offered
    assert offered < SOON_S
    assert ended < 2 * SOON_S
    assert shown.status == "error"
    assert notebook.ok("%%gpu cpu --session c-code\n1 + 1").result == "2"
    notebook.ok("%gpu stop c-code")


def test_the_next_cells_of_run_all_do_not_run(unharmed: Notebook):
    stuck = unharmed.send(f"%%gpu cpu\n{GO}time.sleep(60)")
    after = [unharmed.send("local = 'ran'"), unharmed.send("%%gpu cpu\nfar = 'ran'")]
    shown = unharmed.finish(stuck, until=until_go)
    unharmed.interrupt()
    assert unharmed.finish(stuck, shown=shown).status == "error"
    assert [unharmed.finish(request).status for request in after] == ["aborted", "aborted"]
    assert unharmed.ok("'local' in globals(), 'far' in globals()").result == "(False, False)"


def test_an_interrupt_is_a_keyboard_interrupt_here_too(unharmed: Notebook):
    caught = "try: get_ipython().run_cell_magic('gpu', 'cpu', 'print(\"go\", flush=True); time.sleep(60)')\n"
    shown, _ = press(unharmed, caught + "except KeyboardInterrupt as err: print(type(err).__name__)")
    assert (shown.status, shown.text) == ("ok", "go\nFarInterrupt\n")


def test_a_cell_that_waits_for_a_busy_session_leaves_the_queue(notebook: Notebook):
    busy = notebook.ok("%%gpu cpu --session busy --detach\nimport time; time.sleep(60)").run
    _waits_and_leaves(notebook, "%%gpu cpu --session busy\nprint('never')")
    notebook.ok(f"%gpu stop {busy}")
    notebook.ok("%gpu stop busy")


def test_a_cell_that_waits_for_a_device_leaves_the_queue(notebook: Notebook):
    notebook.ok("%%gpu H100 --session holder\n1")
    _waits_and_leaves(notebook, "%%gpu H100 --session other\nprint('never')")
    notebook.ok("%gpu stop holder")


def _waits_and_leaves(notebook: Notebook, source: str) -> None:
    shown, seconds = press(notebook, source, until=lambda shown: "queued" in str(shown.displays))
    assert shown.status == "error"
    assert "never" not in shown.text
    assert seconds < SOON_S


def test_names_bound_before_the_press_come_back(unharmed: Notebook):
    press(unharmed, f"%%gpu cpu\nbefore = 'bound'\n{GO}time.sleep(60)\nafter = 1")
    assert unharmed.ok("before, 'after' in globals()").result == "('bound', False)"


def test_code_may_catch_it_and_go_on(unharmed: Notebook):
    source = f"{GO}try: time.sleep(60)\nexcept KeyboardInterrupt: print('caught')\ntime.sleep(0.2); print('went on')"
    shown, _ = press(unharmed, f"%%gpu cpu\n{source}")
    assert shown.text == "go\ncaught\nwent on\n"


def test_two_presses_at_once_end_a_cell_that_takes_the_first(unharmed: Notebook):
    request = unharmed.send(f"%%gpu cpu\n{GO}time.sleep(60)")
    shown = unharmed.finish(request, until=until_go)
    unharmed.interrupt()
    unharmed.interrupt()
    assert unharmed.finish(request, shown=shown).status == "error"


PRESS_AT = """
import os, signal, threading, time

def far(source, delay_s=None, presses=1):
    'Run a far cell, pressed after a while. All of it inside of one local cell: ipykernel itself loses track of a cell\
    whose press comes just before or after its code.'
    over = threading.Event()
    def press():
        for _ in range(presses): os.kill(os.getpid(), signal.SIGINT)
        over.set()
    timer = threading.Timer(delay_s, press) if delay_s is not None else None
    try:
        try:
            if timer: timer.start()
            get_ipython().run_cell_magic('gpu', 'cpu', source)
        finally:
            if timer: over.wait(20); time.sleep(0.001)
    except KeyboardInterrupt as err:
        return type(err).__name__
    return 'ok'
"""


def test_a_press_before_the_code_has_begun_is_not_lost(unharmed: Notebook):
    unharmed.ok(PRESS_AT)
    shown = unharmed.ok(
        "moments = [n / 10_000 for n in range(16)] + [n / 1000 for n in range(2, 12)]\n"
        "for moment in moments:\n"
        "    began = time.monotonic()\n"
        "    how = far('time.sleep(60)', moment)\n"
        "    far('alive = not kept.locked()')\n"
        "    took = time.monotonic() - began\n"
        "    if not alive or took > 2: print(moment, how, alive, took)\n"
        "    del alive"
    )
    assert shown.text == ""


def test_presses_that_race_the_end_hit_that_cell_or_nothing(unharmed: Notebook):
    unharmed.ok(PRESS_AT)
    shown = unharmed.ok(
        "for n in range(60):\n"
        "    far('for _ in range(20_000): pass\\nkept', n / 3000, presses=1 + n % 3)\n"
        "    how = far('alive = not kept.locked()')\n"
        "    if (how, alive) != ('ok', True): print(n, how, alive)\n"
        "    del alive"
    )
    assert set(shown.text.splitlines()) <= {NOT_ALL_CAME}


def test_presses_after_the_end_do_nothing(unharmed: Notebook):
    for _ in range(10):
        unharmed.ok("%%gpu cpu\n1")
        unharmed.interrupt()
    assert unharmed.ok("%%gpu cpu\n'unharmed'").result == "'unharmed'"


def test_all_processes_of_the_road_are_the_same_afterwards(shared_home: Installation, unharmed: Notebook):
    before = shared_home.executor_pid, shared_home.keeper_pid
    press(unharmed, f"%%gpu cpu\n{GO}os.system('sleep 60')")
    assert (shared_home.executor_pid, shared_home.keeper_pid) == before
