"""Which document a kernel means by the name that it has for its notebook."""

from pathlib import Path
from urllib.parse import quote

import pytest

from farcell_jupyter.routes.notebook import below
from tests.unit.jupyter.server import JupyterServer


async def test_a_kernels_name_for_its_notebook_is_found_below_the_servers_root(server: JupyterServer):
    root = Path(server.app.root_dir)
    (root / "deep").mkdir()
    (root / "deep" / "a b.ipynb").write_text("{}")

    async def ask(name: object) -> object:
        return await server.ask("GET", f"notebook?name={quote(str(name))}")

    assert await ask(root / "deep" / "a b.ipynb") == {"path": "deep/a b.ipynb", "exists": True}
    assert await ask(root / "renamed.ipynb") == {"path": "renamed.ipynb", "exists": False}
    assert await ask("/etc/passwd") == {"path": "", "exists": False}
    assert await ask("kernel-1234") == {"path": "", "exists": False}


async def test_a_notebook_that_was_renamed_is_found_under_its_new_name_only(server: JupyterServer):
    root = Path(server.app.root_dir)
    (root / "deep").mkdir()
    (root / "deep" / "a.ipynb").write_text("{}")

    async def rename(old: str, new: str) -> None:
        assert (await server.fetch("PATCH", f"api/contents/{old}", {"path": new})).code == 200

    async def ask(name: str) -> object:
        return await server.ask("GET", f"notebook?name={quote(str(root / name))}")

    await rename("deep/a.ipynb", "deep/b.ipynb")
    assert await ask("deep/a.ipynb") == {"path": "deep/b.ipynb", "exists": True}
    await rename("deep", "deeper")
    assert await ask("deep/a.ipynb") == {"path": "deeper/b.ipynb", "exists": True}
    assert await ask("deep/b.ipynb") == {"path": "deeper/b.ipynb", "exists": True}
    (root / "deep").mkdir()
    (root / "deep" / "a.ipynb").write_text("{}")
    assert await ask("deep/a.ipynb") == {"path": "deep/a.ipynb", "exists": True}, "another one, of the old name"
    (root / "deeper" / "b.ipynb").unlink()
    assert (await ask("deep/b.ipynb")) == {"path": "deeper/b.ipynb", "exists": False}


@pytest.mark.parametrize("name", ["/root", "/root/../etc/a.ipynb", "/roots/a.ipynb", "a.ipynb", "../a.ipynb", ""])
def test_what_is_not_below_the_root_has_no_path(name: str):
    assert below(name, "/root") == ""
