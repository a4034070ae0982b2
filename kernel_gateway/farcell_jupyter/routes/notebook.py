"""Which document a kernel means by the name that it has for its notebook."""

import os

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from farcell_jupyter.routes.base import FarHandler


class NotebookHandler(FarHandler):
    """A name such as a run has: the path that its notebook had on this host when its kernel started.

    What is gone from there is looked for where this server has moved it.
    """

    @authenticated
    @authorized
    async def get(self) -> None:
        """`path` below the server's root, empty for what is not there; whether it `exists`."""
        path = below(self.get_query_argument("name", ""), getattr(self.contents_manager, "root_dir", ""))
        exists = await self._exists(path)
        if path and not exists:
            path = self.settings["farcell_renames"].now(path)
            exists = await self._exists(path)
        self.finish({"path": path, "exists": exists})

    async def _exists(self, path: str) -> bool:
        return bool(path) and bool(await ensure_async(self.contents_manager.file_exists(path)))


def below(name: str, root: str) -> str:
    """The path of an absolute file name relative to `root`; empty if it is not below it."""
    if not root or not os.path.isabs(name):
        return ""
    path = os.path.relpath(name, root)
    return "" if path == os.curdir or path.split(os.sep)[0] == os.pardir else path.replace(os.sep, "/")
