"""JupyterLab with our extension, and Debian's browser before it."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import Browser, Page, sync_playwright

from tests.system.installation import Installation, eventually

TOKEN = "the-token-of-the-browser-tests"
CHROMIUM = shutil.which("chromium")
ARTEFACTS = Path(__file__).parents[2] / "artefacts" / "browser"
START_S = 60
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_QUIET = {"fetchNews": "false", "checkForUpdates": False}


@dataclass
class Lab:
    """A running JupyterLab whose documents are in `folder`."""

    url: str
    folder: Path
    log: Path
    start: Callable[[], "subprocess.Popen[bytes]"]
    process: "subprocess.Popen[bytes]"

    def restart(self) -> None:
        """End the server as a person does, with its kernels, and start it again where it was."""
        self.process.terminate()
        self.process.wait(START_S)
        self.process = self.start()
        self.is_up()

    def is_up(self) -> None:
        """Wait for the server.

        Raises:
            AssertionError: it does not answer in time, or has ended.
        """
        eventually(lambda: _answers(self) or self.process.poll() is not None, "JupyterLab answers", START_S)
        assert self.process.poll() is None, self.log.read_text()

    def open(self, browser: Browser, path: str = "", *, width: int = 1200, height: int = 800) -> "LabPage":
        """A page that is ready to be used, on the document at `path` if there is one."""
        page = browser.new_page(viewport={"width": width, "height": height})
        self.show(page, path)
        return LabPage(page)

    def show(self, page: Page, path: str = "") -> None:
        """Load the document at `path` into a page, and nothing of what was open before; wait until it can be used."""
        page.goto(f"{self.url}/lab{f'/tree/{path}' if path else ''}?token={TOKEN}&reset")
        page.wait_for_function("() => window.jupyterapp?.restored.then(() => true)")

    def add_notebook(self, name: str, *cells: str) -> None:
        """A notebook with these cells of code."""
        made = [
            {"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": text, "outputs": [], "execution_count": None}
            for n, text in enumerate(cells)
        ]
        spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        content = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": spec}, "cells": made}
        (self.folder / name).write_text(json.dumps(content))


@dataclass
class LabPage:
    """A page with JupyterLab in it."""

    page: Page

    def command(self, name: str, **arguments: Any) -> None:
        """Execute one of JupyterLab's commands, without waiting for its end."""
        self.page.evaluate("([name, args]) => { void jupyterapp.commands.execute(name, args) }", [name, arguments])

    def show_panel(self) -> Any:
        """The side panel, opened."""
        self.page.wait_for_function("() => jupyterapp.commands.hasCommand('farcell:open-panel')")
        self.page.evaluate("() => jupyterapp.commands.execute('farcell:open-panel')")
        return self.page.locator("#farcell-panel")

    def reload(self) -> None:
        """Load the page again, and wait until it is ready to be used."""
        self.page.reload()
        self.page.wait_for_function("() => window.jupyterapp?.restored.then(() => true)")

    def widen_panel(self, width: int) -> None:
        """Make the side panel that many pixels wide, as somebody would who draws its edge."""
        box = self.page.locator("#farcell-panel").bounding_box()
        assert box is not None
        edge, middle = box["x"] + box["width"] + 2, box["y"] + box["height"] / 2
        self.page.mouse.move(edge, middle)
        self.page.mouse.down()
        self.page.mouse.move(edge + width - box["width"], middle, steps=4)
        self.page.mouse.up()

    def kernel_is_ready(self) -> None:
        """Wait for the notebook's kernel; the notebook says idle before there is one."""
        self.page.wait_for_function(
            "() => jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
        )

    def use_theme(self, name: str) -> None:
        """JupyterLab in other colours."""
        self.page.evaluate("name => jupyterapp.commands.execute('apputils:change-theme', {theme: name})", name)
        self.page.wait_for_function("name => document.body.dataset.jpThemeName === name", arg=name)
        # Until then JupyterLab hides itself behind its logo.
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")

    def picture(self, name: str) -> None:
        """Keep a screenshot among the artefacts."""
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=ARTEFACTS / f"{name}.png")


@contextmanager
def jupyter_lab(home: Installation, folder: Path) -> Iterator[Lab]:
    """A JupyterLab that uses the embedded executor of `home`; it and its kernels are gone afterwards.

    Raises:
        AssertionError: it does not answer in time, or the extension is not installed.
    """
    documents = folder / "documents"
    documents.mkdir(parents=True)
    quiet = folder / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    quiet.parent.mkdir(parents=True)
    quiet.write_text(json.dumps(_QUIET))
    log = folder / "lab.log"
    port = free_port()
    environment = {k: v for k, v in home.environment.items() if k != "FARCELL_NOTEBOOK"} | {
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        **{f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")},
    }
    arguments = [
        f"--ServerApp.root_dir={documents}",
        f"--IdentityProvider.token={TOKEN}",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        "--ServerApp.ip=127.0.0.1",
        "--no-browser",
        "--allow-root",
        "--expose-app-in-browser",
    ]

    def start() -> "subprocess.Popen[bytes]":
        with log.open("ab") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "jupyter", "lab", *arguments],
                env=environment,
                cwd=documents,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        home.processes.append(process)
        return process

    lab = Lab(f"http://127.0.0.1:{port}", documents, log, start, start())
    lab.is_up()
    yield lab


def _answers(lab: Lab) -> bool:
    try:
        with urlopen(f"{lab.url}/api/status?token={TOKEN}", timeout=5) as response:
            return response.status == 200
    except (URLError, OSError):
        return False


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's browser; nothing is downloaded."""
    os.environ.setdefault("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()
