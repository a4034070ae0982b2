"""What this Jupyter server has renamed since its start, so that a run's old name for its notebook is understood."""

from collections import deque
from collections.abc import Mapping
from typing import Any

_KEPT = 1000


class Renames:
    """Of files and folders, by their paths below the server's root, in order."""

    def __init__(self) -> None:
        self._moves: deque[tuple[str, str]] = deque(maxlen=_KEPT)

    async def heard(self, logger: object, schema_id: str, data: Mapping[str, Any]) -> None:
        """A contents event of Jupyter's; called by its event logger."""
        if data.get("action") == "rename":
            self._moves.append((data["source_path"].strip("/"), data["path"].strip("/")))

    def now(self, path: str) -> str:
        """Where the file is that was at `path` before: `path` itself if it was not renamed."""
        for old, new in self._moves:
            if path == old or path.startswith(old + "/"):
                path = new + path[len(old) :]
        return path
