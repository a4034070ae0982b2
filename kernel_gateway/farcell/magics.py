"""`%load_ext farcell`: the magics `%%gpu` and `%gpu` in one IPython shell."""

import ast
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from IPython.core.error import UsageError

from farcell import commands, completer, tables
from farcell.cells import run_cell
from farcell.completion import Known, complete
from farcell.display import comms_for, screen_for
from farcell.failures import FarError, readable, syntax_error
from farcell.notebook import Notebook, notebook_name
from farcell.offload.hook import Offloading
from farcell.options import CellOptions, OptionError, parse_command, parse_options
from farcell.packing.request import CellText
from farcell_protocol.errors import FarcellError, NoDeviceFits
from farcell_protocol.gpus import parse_gpus

_HELP = """Run this cell on a GPU somewhere else, as if it had run here.

    %%gpu [SPEC] [--session NAME] [--once] [--timeout 10m] [--detach]

SPEC says which GPU: nothing (any), H100, H100:2 (two), A100,H100 (in order of preference), or cpu.
What the cell reads travels by itself, output arrives while it runs, and what it binds comes back.

    --session NAME   use this session, shared by your notebooks, instead of this notebook's own
    --once           release the session, its variables and GPU, at the end of the cell
    --timeout TIME   stop after 90, 90s, 10m or 2h
    --detach         return at once; %gpu attach shows output and results

The stop button interrupts the far code; a second press stops the session's worker.

A cell needs no magic of its own with

    %gpu use H100 [options]     every following cell runs as with %%gpu, until: %gpu use local
    %%local                     as a cell's first line: this one stays here
    gpu:H100                    as a tag of a cell: this one goes (gpu:local: this one stays)

Cells that consist of %gpu, %load_ext, help, history or HTML and JavaScript only stay here anyway.

    %gpu                        what there is, and what runs (also: %gpu status)
    %gpu vars                   where each variable lives: here, there, or on both sides
    %gpu sessions               your sessions, and when they are released
    %gpu attach [RUN]           show a run from its beginning, and bind its results
    %gpu stop [RUN|SESSION|--all]
    %gpu logs [RUN]             print a run's output again
    %gpu simulate H100:2        pretend to have GPUs; cells run on the CPU, and say so
    %gpu connect URL [--token-file F]
"""


# What IPython takes for a syntax error, and what it shows with its own frames: nested deeper than Python compiles.
_NO_PYTHON = (SyntaxError, ValueError, TypeError, OverflowError, MemoryError, RecursionError)


class Magics:
    """The magics of one shell, with the notebook behind them."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        kernel = getattr(shell, "kernel", None)
        connection_file = str(getattr(getattr(kernel, "parent", None), "connection_file", ""))
        self.notebook = Notebook(
            shell.user_ns,
            notebook_name(os.environ, connection_file, os.getpid()),
            new_screen=lambda: screen_for(shell),
            keep_result=self._keep_result,
            comms=comms_for(shell),
            number_of=self._number_of,
            leaves=lambda: bool(getattr(shell, "exit_now", False)),
        )
        self.offloading = Offloading(self.notebook, self._metadata, self.run_unmarked)

    def gpu(self, line: str, cell: str | None = None) -> None:  # noqa: D102  # set below, shown by `%%gpu?`
        screen = screen_for(self.shell)
        with self._readably(line):
            if cell is None:
                text = commands.run_command(self.notebook, screen, parse_command(line))
                if text:
                    print(text)
            else:
                self._run(screen, line, cell)

    gpu.__doc__ = _HELP

    def local(self, line: str, cell: str) -> None:
        """Run this cell here, although `%gpu use` or its tag would send it away."""
        # Usually never called: the line becomes a comment. Only what calls magics by name comes here.
        self.shell.run_cell(cell)

    def _run(self, screen: Any, line: str, cell: str) -> None:
        options = parse_options(line)
        if not cell.strip():
            print("the cell is empty: nothing was sent", file=sys.stderr)
            return
        # The magic's own line stays as a comment, so that line numbers are those the editor shows. A
        # further cell magic must stay first.
        source = cell if cell.lstrip().startswith("%%") else f"#%%gpu {line}".rstrip() + f"\n{cell}"
        run_cell(self.notebook, screen, options, self._text(source, cell))

    def run_unmarked(self, wanted: str | CellOptions, source: str) -> None:
        """A whole cell without a magic, sent away by `%gpu use` or its tag."""
        asked = wanted if isinstance(wanted, str) else str(wanted.gpu)
        with self._readably(asked):
            options = CellOptions(parse_gpus(wanted)) if isinstance(wanted, str) else wanted
            run_cell(self.notebook, screen_for(self.shell), options, self._text(source, source))

    @contextmanager
    def _readably(self, asked: str) -> Iterator[None]:
        """What goes wrong is shown by its text, without our frames."""
        try:
            yield
        except OptionError as err:
            raise UsageError(str(err)) from None
        except NoDeviceFits as err:
            raise readable(self._with_alternatives(err, asked)) from None
        except FarcellError as err:
            raise readable(err) from err.__cause__
        except FarError as err:
            # IPython sets it for what it shows itself; the reply quotes it, and a runner of notebooks the reply.
            self.shell._last_traceback = err.traceback
            raise

    def _text(self, source: str, cell: str) -> CellText:
        """The cell as Python, checked here.

        Raises:
            CellSyntaxError: it is not Python.
        """
        shell = self.shell
        source = source.removesuffix("\n")  # IPython has put it there
        count = shell.displayhook.prompt_count  # the shell itself may already count the next cell
        try:
            python = source if _is_python(source) else shell.transform_cell(source)
            name = shell.compile.cache(python, count, raw_code=source)
            # Warnings of the compiler are said where the cell is compiled to be run.
            with shell.compile.extra_flags(ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = shell.compile.ast_parse(python, filename=name)
                shell.compile(tree, name, "exec")
        except _NO_PYTHON as err:
            lines = shell.SyntaxTB.structured_traceback(type(err), err, [])
            raise syntax_error(err, lines) from None
        title = next((text.strip() for text in cell.splitlines() if text.strip()), "")
        return CellText(source, python, title[:200], count, self._cell_id(), *self._asker(), name)

    def _keep_result(self, value: Any) -> None:
        """What IPython does with a result besides displaying it: `_`, `__`, `Out[n]` and `_n`."""
        hook = self.shell.displayhook
        hook.check_for_underscore()
        hook.update_user_ns(value)
        hook.fill_exec_result(value)

    def _number_of(self, file: str) -> int:
        label = self.shell.compile.format_code_name(file)
        found = re.fullmatch(r"In\[(\d+)\]", label[1]) if label else None
        return int(found[1]) if found else 0

    def _cell_id(self) -> str:
        return str(self._metadata().get("cellId", ""))

    def _asker(self) -> tuple[str, bool]:
        """The id of the request that the cell came with, and whether its sender can answer questions."""
        if getattr(self.shell, "kernel", None) is None:
            return "", sys.stdin.isatty()
        request = self._request()
        return request.get("header", {}).get("msg_id", ""), request.get("content", {}).get("allow_stdin", False)

    def _metadata(self) -> dict[str, Any]:
        """What the front end sent about the cell beside its code."""
        return self._request().get("metadata") or {}

    def _request(self) -> dict[str, Any]:
        kernel = getattr(self.shell, "kernel", None)
        return kernel.get_parent("shell") if kernel is not None else {}

    def _with_alternatives(self, error: NoDeviceFits, line: str) -> FarcellError:
        client = self.notebook.connected
        try:
            nodes = client.nodes() if client is not None else []
            asked = str(parse_options(line).gpu)
        except (FarcellError, OptionError):
            return error
        return NoDeviceFits(f"{error.message}\n{tables.no_device_text(nodes, asked)}", **error.fields)

    def offers(self, line: str) -> list[str]:
        """The words with which a line of either magic may go on."""
        return complete(line, self._known())

    def _known(self) -> Known:
        client = self.notebook.connected
        if client is None:  # completing must not start an executor
            return Known(models=["H100", "A100", "L4", "any"])
        try:
            devices = [device for node in client.nodes() for device in node.devices]
            sessions = [one for one in client.sessions() if one.state != "ended"]
            runs = [run.run for run in client.runs() if run.notebook == self.notebook.name]
        except FarcellError:
            return Known()
        names = [one.name for one in sessions if one.name]
        return Known(sorted({one.model for one in devices}), [one.session for one in sessions], names, runs[-20:])


def _is_python(source: str) -> bool:
    """Whether a cell has nothing in it for IPython to transform, which takes ten times as long as to see this."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(source)
    except _NO_PYTHON:
        return False
    return True


_loaded: Magics | None = None


def load(shell: Any) -> Magics:
    """Register the magics in this shell; again changes nothing."""
    global _loaded
    if _loaded is None or _loaded.shell is not shell:
        _loaded = Magics(shell)
        shell.register_magic_function(_loaded.gpu, magic_kind="line_cell", magic_name="gpu")
        shell.register_magic_function(_loaded.local, magic_kind="cell", magic_name="local")
        _loaded.offloading.install(shell)
        completer.install(shell, _loaded.offers)
    return _loaded


def loaded() -> Magics | None:
    """The magics of this process, if `load` was called."""
    return _loaded
