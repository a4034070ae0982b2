"""The tags of the cell that is about to run: sent with the request, or else read from the saved notebook.

JupyterLab and Notebook 7 send the whole metadata of a cell with its execute_request. Others send little or nothing;
for those the saved notebook is looked at, so there a tag counts once it has been saved.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_SENT_WHOLE = {"tags", "recordTiming", "deletedCells"}
"""Any of these shows that the front end sends a cell's metadata: the last two are JupyterLab's own."""


class Tags:
    """Finds a cell's tags; `saved` is where the notebook lies, if anybody knows."""

    def __init__(self) -> None:
        self._read: tuple[Path, int] | None = None
        self._cells: list[dict[str, Any]] = []

    def of(self, metadata: Mapping[str, Any], source: str, saved: Path | None) -> list[object]:
        """The tags of the cell whose request had this metadata."""
        if _SENT_WHOLE & metadata.keys():
            return _listed(metadata.get("tags"))
        if saved is None:
            return []
        self._refresh(saved)
        return next(self._matching(str(metadata.get("cellId", "")), source), [])

    def _matching(self, cell_id: str, source: str) -> Iterator[list[object]]:
        """First by id; some front ends have ids of their own, so then by what the cell says, if only one says it."""
        same = [cell for cell in self._cells if _source_of(cell) == source]
        by_id = [cell for cell in self._cells if cell_id and cell.get("id") == cell_id]
        for cell in by_id or (same if len(same) == 1 else []):
            yield _listed((cell.get("metadata") or {}).get("tags"))

    def _refresh(self, saved: Path) -> None:
        try:
            version = saved, saved.stat().st_mtime_ns
            if version != self._read:
                cells = json.loads(saved.read_bytes()).get("cells", [])
                self._read, self._cells = version, [cell for cell in cells if isinstance(cell, dict)]
        except (OSError, ValueError, AttributeError):
            self._read, self._cells = None, []  # not saved yet, or no notebook


def saved_notebook(environ: Mapping[str, str], namespace: Mapping[str, Any]) -> Path | None:
    """Where the notebook lies: Jupyter's servers say so in the environment, VS Code in the namespace."""
    name = namespace.get("__vsc_ipynb_file__") or environ.get("JPY_SESSION_NAME")
    return Path(name) if isinstance(name, str) and name.endswith(".ipynb") else None


def _source_of(cell: Mapping[str, Any]) -> str:
    source = cell.get("source", "")
    return "".join(source) if isinstance(source, list) else str(source)


def _listed(tags: Any) -> list[object]:
    return list(tags) if isinstance(tags, list | tuple) else []
