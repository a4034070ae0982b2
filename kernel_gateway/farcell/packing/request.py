"""A cell and its parcel to the `RunRequest` that carries them."""

import linecache
import os
import platform
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from farcell.options import CellOptions
from farcell.packing.ledger import Ledger
from farcell.packing.values import INLINE_LIMIT_BYTES, Parcel
from farcell_protocol.ids import comms_run_of, new_run_id
from farcell_protocol.messages.api import Interpreter, RunRequest, RunView
from farcell_protocol.messages.cells import RESULT, Cell, Source, encode_cell


@dataclass(frozen=True)
class CellText:
    """A cell as the shell knows it. `source` is IPython source whose line numbers are those of the
    notebook's cell; `python` is `source` with IPython's syntax transformed; `count` is the prompt's number.
    `msg_id` is the id of the request it came with; `allow_stdin` says that its sender can answer questions.
    `name` is the file name that the shell has given the cell's code."""

    source: str
    python: str
    title: str
    count: int
    cell_id: str = ""
    msg_id: str = ""
    allow_stdin: bool = False
    name: str = ""


NumberOf = Callable[[str], int]
"""The number of the cell whose code has this file name; 0 for any other file."""


def cell_of(text: CellText, parcel: Parcel, ledger: Ledger, options: CellOptions, number_of: NumberOf) -> Cell:
    """What the worker executes. With `--once` no handle would outlive the cell, so values come back whole."""
    known = ledger.known({name: digest for name, digest in parcel.here.items() if name in parcel.returns})
    # The worker sees whether a name is bound to another object than before, and takes our word where it is not.
    asked = dict.fromkeys(sorted(parcel.certain | parcel.handles.keys()), "")
    return Cell(
        source=text.source,
        python=platform.python_version(),
        values=parcel.values,
        returns=[*sorted(parcel.returns), RESULT],
        known=asked | known,
        inline_limit_bytes=INLINE_LIMIT_BYTES if options.once else 1 * 2**20,
        execution_count=text.count,
        msg_id=text.msg_id,
        allow_stdin=text.allow_stdin,
        cell_name=text.name,
        sources=list(_sources(parcel.files, number_of)),
    )


def _sources(files: Iterable[str], number_of: NumberOf) -> Iterator[Source]:
    for file in sorted(files):
        number = number_of(file)
        if number:
            yield Source(file, number, "".join(linecache.getlines(file)))


def fetch_of(name: str) -> Cell:
    """Runs nothing; brings the named value, whatever its size."""
    return Cell(source="", python=platform.python_version(), fetch=[name])


def request_of(notebook: str, options: CellOptions, cell: Cell, title: str, cell_id: str = "") -> RunRequest:
    """The request for a fresh run of `cell`."""
    return RunRequest(
        run=new_run_id(),
        payload=encode_cell(cell),
        python=Interpreter(sys.executable, platform.python_version()),
        gpu=str(options.gpu),
        notebook=notebook,
        cell_id=cell_id,
        session=options.session,
        once=options.once,
        timeout_s=options.timeout_s,
        title=title,
        cwd=_working_directory(),
    )


def comms_request_of(view: RunView) -> RunRequest:
    """The request for the comms run of the session that a run is in: the same whoever asks for it."""
    return RunRequest(
        run=comms_run_of(view.session),
        payload=b"",
        python=Interpreter(sys.executable, platform.python_version()),
        gpu=view.gpu,
        notebook=view.notebook,
        kind="comms",
        expects=view.session,
        title="widgets",
    )


def _working_directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # somebody removed it under this kernel; the node then chooses
        return ""
