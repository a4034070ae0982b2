"""All that may differ between a local and a far cell without anybody minding. Pure.

Nothing else is changed before two runs are compared; what has no line here is a difference.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Message = dict[str, Any]


@dataclass(frozen=True)
class Rule:
    """A pattern in any text of a message, what it is replaced by, and why it may differ."""

    pattern: re.Pattern[str]
    replacement: str
    reason: str


RULES = (
    Rule(re.compile(r"(?:/[\w.-]{1,64}){1,12}/(?:here|away)\b"), "<folder>", "each side works in a folder of its own"),
    Rule(re.compile(r"0x[0-9a-f]{6,16}\b"), "<address>", "addresses in memory are the process's own"),
    Rule(re.compile(r"\bipykernel_\d+\b"), "ipykernel_<pid>", "code files are named by their process"),
    Rule(re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{32}|[0-9a-f]{16})(?![0-9a-f])"), "<id>", "ids made of chance"),
    Rule(re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{24}_\d+_\d+\b"), "<msg id>", "a request is numbered by its session"),
    Rule(
        re.compile(r"(?<![\d.])\d+(?:\.\d+)?(?:e[+-]\d+)? (?:ns|μs|us|µs|ms|s)\b"),
        "<time>",
        "`%time`, `%timeit`: two runs of one cell take different times",
    ),
    Rule(re.compile(r"\b\d\d:\d\d<(?:\d\d:\d\d|\?)"), "<time>", "tqdm: time passed, time left"),
    Rule(
        re.compile(r"(?<![ \d.]) *(?:\d+(?:\.\d+)?|\?)[kMG]?(?:(?:it|B)/s|s/(?:it|B))\] *"),
        "<rate>]",
        "tqdm: iterations a second, and the blanks that cover a longer one",
    ),
)


@dataclass(frozen=True)
class Output:
    """A message as it is compared."""

    kind: str
    content: Any
    metadata: Any
    buffers: tuple[bytes, ...] = ()


IGNORED = {
    "status": "busy and idle are the kernel's, not the cell's; the far ones are not passed on",
    "execute_input": "the source as sent, which has the magic in it",
}

UNNAMED = ("NoneType", "None")
"""How ipykernel's answer calls an error that was raised while the result was being shown; a far cell's has its name."""

STATUS_LINE = "farcell-"
"""How the display id of a far cell's own status line begins: the one thing a far cell has that a local one has not."""


def normalised(messages: Iterable[Message]) -> list[Output]:
    """What a cell said, in order, ready to be compared with `==`."""
    outputs = [_output(message) for message in messages if message["msg_type"] not in IGNORED and not _is_line(message)]
    return _with_plain_texts(_joined(outputs))


def _is_line(message: Message) -> bool:
    return str(message["content"].get("transient", {}).get("display_id", "")).startswith(STATUS_LINE)


def _output(message: Message) -> Output:
    buffers = tuple(bytes(memoryview(one).cast("B")) for one in message.get("buffers", []))
    return Output(message["msg_type"], message["content"], message.get("metadata", {}), buffers)


def _joined(outputs: Iterable[Output]) -> list[Output]:
    """Text is cut into messages by time and size; only neighbours of one stream are joined, so order still counts."""
    made: list[Output] = []
    for output in outputs:
        last = made[-1] if made else None
        if last is not None and last.kind == output.kind == "stream" and last.content["name"] == output.content["name"]:
            text = last.content["text"] + output.content["text"]
            made[-1] = Output("stream", {**last.content, "text": text}, last.metadata)
        else:
            made.append(output)
    return made


def _with_plain_texts(outputs: list[Output]) -> list[Output]:
    return [Output(one.kind, each_text(one.content, in_text), one.metadata, one.buffers) for one in outputs]


def each_text(value: Any, change: Callable[[str], str]) -> Any:
    """The same structure with every text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: each_text(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [each_text(item, change) for item in value]
    return value


def in_text(text: str) -> str:
    """One text with every rule applied."""
    for rule in RULES:
        text = rule.pattern.sub(rule.replacement, text)
    return text
