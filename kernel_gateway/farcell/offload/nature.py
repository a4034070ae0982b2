"""Which cells stay here although cells are being sent away: those that only this kernel can do. Pure."""

import ast
from collections.abc import Sequence

LOCAL_MAGIC = "%%local"
"""The first line of a cell that opts out."""

_HELP = {"pinfo", "pinfo2", "pdoc", "pdef", "pfile", "psource", "psearch", "lsmagic", "magic", "quickref"}
_HISTORY = {
    "history",
    "hist",
    "recall",
    "rep",
    "rerun",
    "macro",
    "save",
    "edit",
    "load",
    "notebook",
    "store",
    "logstart",
}
_KERNEL = {"load_ext", "reload_ext", "unload_ext", "connect_info", "qtconsole", "alias_magic"}
_LINE_MAGICS = {"gpu", *_HELP, *_HISTORY, *_KERNEL}
_CELL_MAGICS = {"gpu", "local", "html", "HTML", "svg", "SVG", "javascript", "js", "latex", "markdown"}


def opts_out(source: str) -> bool:
    """Whether a cell begins with `%%local`."""
    return source.lstrip().partition("\n")[0].rstrip() == LOCAL_MAGIC


def without_local(lines: list[str]) -> list[str]:
    """A cleanup transformer for IPython: `%%local` becomes a comment, so that what follows is a plain cell.

    A further cell magic has to be the first line. Otherwise the lines keep their numbers."""
    if not lines or lines[0].rstrip() != LOCAL_MAGIC:
        return lines
    rest = lines[1:]
    return rest if rest and rest[0].startswith("%%") else [f"#{LOCAL_MAGIC}\n", *rest]


def stays_here(tree: ast.Module) -> bool:
    """Whether a cell, its IPython syntax transformed, has to run in this kernel or would do the same here as there.

    Only this kernel has `%gpu`, so a cell with such a line stays as a whole."""
    names = [_magic(statement) for statement in tree.body]
    return any(one == ("line", "gpu") for one in names) or all(_is_ours(one) for one in names)


def _is_ours(magic: tuple[str, str] | None) -> bool:
    if magic is None:
        return False
    kind, name = magic
    return name in (_LINE_MAGICS if kind == "line" else _CELL_MAGICS)


def _magic(statement: ast.stmt) -> tuple[str, str] | None:
    """The kind and name of the magic that a statement is, if it is nothing else."""
    match statement:
        case ast.Expr(
            value=ast.Call(
                func=ast.Attribute(
                    value=ast.Call(func=ast.Name(id="get_ipython")), attr="run_line_magic" | "run_cell_magic" as call
                ),
                args=[ast.Constant(value=str(name)), *_],
            )
        ):
            return call.split("_")[1], name
    return None


def spec_in(tags: Sequence[object]) -> str | None:
    """What a tag `gpu:H100` asks for; "local" for `gpu:local`, None without such a tag."""
    found = [tag.partition(":")[2].strip() for tag in tags if isinstance(tag, str) and tag.startswith("gpu:")]
    return found[0] if found else None
