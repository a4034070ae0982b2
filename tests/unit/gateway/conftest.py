"""A real IPython shell with the magics loaded and a scripted client behind them."""

import builtins
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

sys.path.insert(0, str(Path(__file__).parents[2] / "fakes"))

from far_client import Script, ScriptedClient

from farcell import config, magics


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("FARCELL_NOTEBOOK", "nb.ipynb")
    monkeypatch.setattr(magics, "_loaded", None)
    main, display = sys.modules["__main__"], sys.displayhook
    plain = Config()
    plain.HistoryManager.enabled = False
    plain.InteractiveShell.colors = "nocolor"
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance(config=plain)
    yield made
    InteractiveShell.clear_instance()
    sys.modules["__main__"], sys.displayhook = main, display
    vars(builtins).pop("get_ipython", None)
    config.connect(None)


@pytest.fixture
def far(shell: InteractiveShell) -> Callable[..., ScriptedClient]:
    """Load the magics with a client that plays these scripts."""

    def load(*scripts: Script) -> ScriptedClient:
        client = ScriptedClient(*scripts)
        magics.load(shell).notebook.dial = lambda target, on_start: client  # type: ignore[assignment,return-value]
        return client

    return load


@pytest.fixture
def cell(shell: InteractiveShell) -> Callable[[str], Any]:
    """Run a cell as a notebook would; the result has `error_in_exec`."""
    return lambda source: shell.run_cell(source, store_history=True)
