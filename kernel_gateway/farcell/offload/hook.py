"""Where IPython lets go of a cell: after it was counted, stored in the history and found to be Python.

Two of IPython's own hooks, and decision 5 for why these. `pre_run_cell` says which cell a person runs, an AST
transformer replaces its code by a call that runs the cell far away. So `In`, the counter, the history and syntax errors
are the plain cell's own.
"""

import ast
import builtins
import functools
import os
from collections.abc import Callable
from typing import Any

from farcell.notebook import Notebook
from farcell.offload.nature import opts_out, spec_in, stays_here, without_local
from farcell.offload.tags import Tags, saved_notebook
from farcell.options import LOCAL, CellOptions

RunFar = Callable[[str | CellOptions, str], object]
"""Run source far away as the options, or a specification still to be read, say; raise here what it raises there."""

_CALL = "__import__('farcell.offload.hook', fromlist=['resume']).resume()"


class Offloading(ast.NodeTransformer):
    """Sends cells away in one shell. `metadata` gives the metadata of the request that is being executed."""

    def __init__(self, notebook: Notebook, metadata: Callable[[], dict[str, Any]], run_far: RunFar) -> None:
        self._notebook = notebook
        self._metadata = metadata
        self._run_far = run_far
        self._tags = Tags()
        self._cell: str | None = None
        self._going: Callable[[], object] | None = None

    def install(self, shell: Any) -> None:
        """Hang both hooks into the shell, and let it understand `%%local`."""
        shell.input_transformers_cleanup.append(without_local)
        shell.ast_transformers.append(self)
        shell.events.register("pre_run_cell", self._about_to_run)
        shell.events.register("post_run_cell", self._has_run)

    def _about_to_run(self, info: Any) -> None:
        # What is not for the history comes from other code: a magic that runs its cell, a variable inspector.
        by_a_person = info.store_history and not info.silent
        self._cell = info.raw_cell if by_a_person and not opts_out(info.raw_cell) else None

    def _has_run(self, result: Any) -> None:
        self._cell = None  # one that was no Python was never asked about

    def visit(self, tree: ast.AST) -> Any:
        """IPython's question for every piece of code it compiles; the first one after `pre_run_cell` is the cell."""
        source, self._cell = self._cell, None
        if source is None or not isinstance(tree, ast.Module) or stays_here(tree):
            return tree
        wanted = self._wanted(source)
        if wanted is None:
            return tree
        # Whatever is wrong with a tag is said then: what raises in here makes IPython drop this transformer.
        self._going = functools.partial(self._run_far, wanted, source)
        return ast.parse(_CALL)

    def resume(self) -> None:
        """Run the cell whose code was replaced, if there is one."""
        going, self._going = self._going, None
        if going is not None:
            going()

    def _wanted(self, source: str) -> str | CellOptions | None:
        """The specification in the cell's tag, else what `%gpu use` said; None to run it here."""
        tags = self._tags.of(self._metadata(), source, saved_notebook(os.environ, self._notebook.namespace))
        tag = spec_in(tags)
        return self._notebook.use if tag is None else None if tag == LOCAL else tag


def resume() -> None:
    """What a cell's code is replaced by: run it far away, by the shell that executes it."""
    shell = vars(builtins)[
        "get_ipython"
    ]()  # IPython puts its own there while a cell runs, whatever the name is bound to
    for transformer in shell.ast_transformers:
        if isinstance(transformer, Offloading):
            transformer.resume()
