"""Far output in the local front end: Jupyter messages passed on unchanged, or printed in a terminal."""

import html
import os
import sys
from functools import partial
from typing import Any

from farcell.commsrun import FarComms
from farcell.inputs import KernelQuestion, Question, TerminalQuestion
from farcell.parties import OutputScreen
from farcell.status import Line
from farcell_protocol.frames import Message

# JupyterLab's own, which can be read in light and in dark; other front ends get what follows the comma.
_COLOURS = {"busy": "inherit", "quiet": "var(--jp-content-font-color2, gray)", "bad": "var(--jp-error-color1, #b35900)"}


def screen_for(shell: Any) -> OutputScreen:
    """A fresh screen, with its own status line, for one cell of this shell."""
    kernel = getattr(shell, "kernel", None)
    # A kernel without a socket to publish on is one that is being tested or embedded: print there.
    if kernel is not None and getattr(kernel, "iopub_socket", None) is not None:
        return KernelScreen(kernel)
    return TerminalScreen()


def comms_for(shell: Any) -> FarComms | None:
    """The far widgets of this shell's kernel; None where there is no front end that could show any."""
    kernel = getattr(shell, "kernel", None)
    if kernel is None or getattr(kernel, "iopub_socket", None) is None or not hasattr(kernel, "comm_manager"):
        return None
    return FarComms(kernel.comm_manager, partial(publish, kernel), lambda: kernel.get_parent("shell"))


def publish(kernel: Any, message: Message, parent: dict[str, Any]) -> None:
    """Publish a message as if this kernel had made it in answer to `parent`. From any thread."""
    kernel.session.send(
        kernel.iopub_socket,
        message.msg_type,
        message.content,
        parent=parent,
        ident=kernel._topic(message.msg_type),
        metadata=message.metadata,
        buffers=message.buffers or None,
    )


class KernelScreen:
    """Inside ipykernel: messages are published as if this kernel had made them."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        # Taken once: the parent names the cell this output belongs to, whatever runs in between.
        self._parent = kernel.get_parent("shell")
        self._ident = kernel._parent_ident["shell"]
        self._line_id = ""
        self._flushed = False

    def show(self, message: Message) -> None:
        """Publish a far message, its buffers included."""
        self._flush()
        publish(self._kernel, message, {"header": {"msg_id": message.parent}} if message.parent else self._parent)

    def ask(self, prompt: str, password: bool) -> Question | None:
        """Ask through the stdin channel of the front end that sent the cell, if it has one."""
        if not self._parent.get("content", {}).get("allow_stdin", False):
            return None
        self._flush()
        return KernelQuestion(self._kernel, self._parent, self._ident, prompt, password)

    def draw_line(self, line: Line) -> None:
        """Show the status line, or update it in place by its display id."""
        first = not self._line_id
        self._line_id = self._line_id or f"farcell-{os.urandom(8).hex()}"
        content = {
            "data": {"text/plain": line.text, "text/html": line_html(line)},
            # Saved with the notebook: so a page knows whose output a cell shows, and whether it is all there.
            "metadata": {"farcell": {"run": line.mark.run, "state": line.mark.state}} if line.mark else {},
            "transient": {"display_id": self._line_id},
        }
        self._send("display_data" if first else "update_display_data", content, {}, [])

    def _send(self, kind: str, content: dict[str, Any], metadata: dict[str, Any], buffers: list[bytes]) -> None:
        self._flush()
        publish(self._kernel, Message(kind, content, metadata, buffers), self._parent)

    def _flush(self) -> None:
        """What was printed here before must come before. Once is enough: the cell prints nothing itself while it is
        far away, and each flush waits for the thread that publishes."""
        if not self._flushed:
            self._flushed = True
            sys.stdout.flush()
            sys.stderr.flush()


class TerminalScreen:
    """In IPython without a kernel: text and plain representations; the status line on standard error."""

    def __init__(self) -> None:
        self._redraws = sys.stderr.isatty()
        self._open = False

    def show(self, message: Message) -> None:
        """Print what a terminal can show of a message."""
        self._leave_line()
        content = message.content
        if message.msg_type == "stream":
            stream = sys.stderr if content.get("name") == "stderr" else sys.stdout
            stream.write(content.get("text", ""))
            stream.flush()
        elif message.msg_type == "error":
            print("\n".join(content.get("traceback", [])))
        elif message.msg_type == "execute_result":
            print(f"Out[{content.get('execution_count')}]: {content['data'].get('text/plain', '')}")
        elif message.msg_type in ("display_data", "update_display_data"):
            from IPython.display import display

            display(content["data"], raw=True, metadata=content.get("metadata", {}))  # type: ignore[no-untyped-call]

    def ask(self, prompt: str, password: bool) -> Question | None:
        """Ask on the terminal, if it is one."""
        if not sys.stdin.isatty():
            return None
        self._leave_line()
        return TerminalQuestion(prompt, password)

    def draw_line(self, line: Line) -> None:
        """Draw over the line where the terminal allows it; elsewhere only what will stay is worth a line."""
        if self._redraws:
            self._open = line.tone == "busy"
            sys.stderr.write(f"\r\x1b[2K{line.text}" + ("" if self._open else "\n"))
        elif line.tone != "busy":
            sys.stderr.write(f"{line.text}\n")
        sys.stderr.flush()

    def _leave_line(self) -> None:
        if self._open:
            sys.stderr.write("\n")
            sys.stderr.flush()
            self._open = False


def line_html(line: Line) -> str:
    """The status line as it looks in a notebook; a page that has a header for the cell hides the routine ones."""
    kind = ' class="farcell-line"' if line.routine else ""
    return f'<small{kind} style="color:{_COLOURS[line.tone]}">{html.escape(line.text)}</small>'
