"""The values of a Python kernel behind the bridge: asked of the guest inside it, handed over in files."""

import shutil
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from farcell_protocol.errors import RunFailure, ValuesNeedPython, error_from
from farcell_protocol.frames import End, Frame, ValueBack, decode_frame
from farcell_protocol.framing import RecordReader
from farcell_protocol.messages.cells import Cell, encode_cell
from farcell_worker.exchange import Before
from farcell_worker.kernel_process import private_folder

_READ_BYTES = 1 * 2**20

Evaluate = Callable[[str], Awaitable[str]]
"""Has the guest do something ("admit('/tmp/x')"), open to interrupts; what went wrong, or nothing."""


class BridgedValues:
    """A `KernelValues`."""

    def __init__(self, evaluate: Evaluate) -> None:
        self._evaluate = evaluate

    async def admit(self, cell: Cell) -> Before:
        """What the client holds stays with the guest, so `Before` is empty."""
        if cell.values or cell.returns:
            for _none in await self._answer("admit({folder!r})", msgspec.structs.replace(cell, source="")):
                pass
        return Before()

    async def results(self, cell: Cell, before: Before, *, finished: bool) -> Iterator[ValueBack]:
        """As `Exchange.results`; all of them have been pickled when this returns."""
        if not cell.returns:
            return iter(())
        return await self._answer(f"results({{folder!r}}, {finished})", None)

    async def fetch(self, names: Sequence[str]) -> Iterator[ValueBack]:
        """As `Exchange.fetch`; all of them have been pickled when this returns."""
        return await self._answer("fetch({folder!r})", Cell("", "", fetch=list(names)))

    def variables(self) -> None:
        """Not told: each cell would cost another request to the kernel."""

    async def _answer(self, request: str, cell: Cell | None) -> Iterator[ValueBack]:
        """The values in the guest's answer.

        Raises:
            FarcellError: what the guest refused with.
            KeyboardInterrupt: it was interrupted; if it had pickled some by then, these come first.
        """
        folder = private_folder()
        try:
            if cell is not None:
                (folder / "cell").write_bytes(encode_cell(cell))
            wrong = await self._evaluate(request.format(folder=str(folder)))
            return _opened(folder / "answer", wrong)
        finally:
            # The answer stays readable through what is open.
            shutil.rmtree(folder, ignore_errors=True)


class NoValues:
    """A `KernelValues` of a kernel that can have none; `why` is a sentence."""

    def __init__(self, why: str, language: str) -> None:
        self._why = why
        self._language = language

    async def admit(self, cell: Cell) -> Before:
        """Refuses when names must travel."""
        if cell.values or cell.returns:
            raise self._refusal([*(value.name for value in cell.values), *cell.returns])
        return Before()

    async def results(self, cell: Cell, before: Before, *, finished: bool) -> Iterator[ValueBack]:
        """None: none were asked for."""
        return iter(())

    async def fetch(self, names: Sequence[str]) -> Iterator[ValueBack]:
        """Refuses."""
        raise self._refusal(names)

    def variables(self) -> None:
        """Not told."""

    def _refusal(self, names: Sequence[str]) -> ValuesNeedPython:
        named = sorted(set(names))
        return ValuesNeedPython(f"{self._why}; asked for: {', '.join(named)}", names=named, language=self._language)


def _opened(path: Path, wrong: str) -> Iterator[ValueBack]:
    """Looks at the end of the answer, then reads it again, piece by piece, for whoever takes the values."""
    try:
        frames = _frames(path)
        end = next((frame for frame in _frames(path) if isinstance(frame, End)), None)
    except FileNotFoundError:
        end = None
    if end is None:
        if "KeyboardInterrupt" in wrong:
            raise KeyboardInterrupt
        raise RunFailure(f"the kernel did not hand its values over: {wrong or 'it gave no answer'}", error=wrong)
    if end.reason is not None:
        raise error_from(end.reason)
    return _values(frames)


def _values(frames: Iterator[Frame]) -> Iterator[ValueBack]:
    for frame in frames:
        if isinstance(frame, ValueBack):
            yield frame
        elif isinstance(frame, End) and frame.outcome == "error":
            raise KeyboardInterrupt


def _frames(path: Path) -> Iterator[Frame]:
    file = path.open("rb")

    def read() -> Iterator[Frame]:
        reader = RecordReader()
        with file:
            while data := file.read(_READ_BYTES):
                for body in reader.receive_bytes(data):
                    yield decode_frame(body)

    return read()
