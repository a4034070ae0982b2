"""Every reason code is a class of one tree, which the page of the protocol names."""

import ast
from collections.abc import Iterator
from pathlib import Path

from farcell_protocol.errors import BY_CODE

ROOT = Path(__file__).parents[3]
TREE = ROOT / "remote_executor" / "farcell_protocol" / "errors.py"
SOURCES = [path for top in ("kernel_gateway", "remote_executor") for path in sorted((ROOT / top).rglob("*.py"))]


def nodes_of(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text()))


def test_every_code_is_in_the_protocol_and_drawn_above_the_tree():
    errors = (ROOT / "docs" / "protocol.md").read_text().partition("## Errors")[2].partition("\n## ")[0]
    drawing = TREE.read_text().partition("class ")[0]
    for code, kind in BY_CODE.items():
        assert f"`{code}`" in errors
        assert kind.__name__ in drawing
        assert code == "farcell" or code in drawing.split()


def test_no_error_of_ours_is_made_outside_the_tree():
    for path in SOURCES:
        for node in nodes_of(path):
            if path != TREE and isinstance(node, ast.ClassDef):
                bases = {getattr(base, "id", getattr(base, "attr", "")) for base in node.bases}
                ours = bases & {kind.__name__ for kind in BY_CODE.values()}
                assert not ours, f"{path.relative_to(ROOT)}: {node.name} belongs into errors.py"


def test_no_code_is_sent_that_is_written_as_text():
    for path in SOURCES:
        for node in nodes_of(path):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "ErrorInfo":
                code = next((one.value for one in node.keywords if one.arg == "code"), *node.args[:1])
                where = f"{path.relative_to(ROOT)}:{node.lineno}"
                assert not isinstance(code, ast.Constant), f"{where}: take the code of the class"
