"""What is overwritten before anybody could see it need not be sent: progress bars, animations, updates. Pure.

The promise: what is left looks in the end as all of it would have, in a terminal and in a notebook.
"""

import re
from collections import deque
from collections.abc import Sequence

from farcell_protocol.frames import Message
from farcell_worker.routes import Item, Text

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_ERASES = re.compile(r"\x1b\[[02]?K")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_OF_UNSURE_WIDTH = re.compile(r"[^\x20-\u02ff\u2010-\u25ff]")
"""Characters that may take no column, one or two; letters, lines and blocks of which bars are made take one."""

FEW_RETURNS = 32
"""Text that goes back so few times is left as it was said: there is little to gain."""

_SHOWN = frozenset({"display_data", "execute_result"})
_REPLACING = frozenset({"update_display_data", "clear_output"})
_OUTPUT = _SHOWN | _REPLACING


def is_overwriting(text: str) -> bool:
    """Whether the last line of it goes back to its beginning, and so is likely to be overwritten itself."""
    return "\r" in text and "\r" in text[text.rfind("\n") + 1 :]


def collapse(text: str) -> str:
    """The text without those parts of its lines that a later part of the line covers. `\\r\\n` stays what it is."""
    if text.count("\r") < 2:
        return text
    return "\n".join(map(_collapse_line, text.split("\n")))


def _collapse_line(line: str) -> str:
    if line.count("\r") < 2:
        return line
    # The first part goes on where the text before ended, at a column that nobody here knows.
    first, *parts = line.split("\r")
    kept = _visible(parts)
    made, colours = [first], ""
    for part, is_kept in zip(parts, kept, strict=True):
        if is_kept:
            made.append(colours + part)
            colours = ""
        elif "\x1b" in part:
            colours = _colours_after(colours, part)
    return "\r".join(made)


def _visible(parts: Sequence[str]) -> list[bool]:
    """For each part, all from column 0, whether something of it is left to see; the last is always kept."""
    kept = [True] * len(parts)
    covered, erased = 0, False
    for at in range(len(parts) - 1, -1, -1):
        part = parts[at]
        if part.isascii() and part.isprintable():
            narrowest = widest = len(part)
            erases = False
        else:
            bare = _ERASES.sub("", _COLOURS.sub("", part))
            if _CONTROLS.search(bare):
                # It may go anywhere: nothing is known of what is below it.
                covered, erased = 0, False
                continue
            unsure = len(_OF_UNSURE_WIDTH.findall(bare))
            narrowest, widest = len(bare) - unsure, len(bare) + unsure
            erases = _ERASES.search(part) is not None
        # A notebook does not erase, so what is wider stays even below what erases it in a terminal.
        kept[at] = at == len(parts) - 1 or widest > covered or (erases and not erased)
        covered, erased = max(covered, narrowest), erased or erases
    return kept


def _colours_after(before: str, part: str) -> str:
    """The codes that set the colours as `before` and then the part's do; none twice, and none before a reset."""
    codes = _COLOURS.findall(before + part)
    resets = [at for at, code in enumerate(codes) if code in ("\x1b[m", "\x1b[0m")]
    codes = codes[resets[-1] :] if resets else codes
    return "".join(reversed(dict.fromkeys(reversed(codes))))


def coalesced(items: Sequence[Item]) -> list[Item]:
    """What waits to be sent, with less to send: text joined and collapsed, displays left out that are cleared before
    the next one comes, and of the updates of one display only the last kept."""
    found: list[Item] = []
    output: list[Item] = []
    for item in items:
        if isinstance(item, tuple) or (isinstance(item, Message) and item.msg_type in _OUTPUT):
            output.append(item)
        else:
            found += [*_less(output), item]
            output = []
    return found + _less(output)


def can_wait(waiting: Sequence[Item] | deque[Item]) -> bool:
    """Whether the newest item may be replaced by what comes next: an update, a clearing, or what follows that."""
    newest = waiting[-1] if waiting else None
    if not isinstance(newest, Message):
        return False
    if newest.msg_type in _REPLACING:
        return True
    return newest.msg_type in _SHOWN and any(map(_clears, waiting))


def overwrites(item: Item) -> bool:
    """Whether it is of the kind that others soon follow in its place."""
    if isinstance(item, tuple):
        return is_overwriting(item[1])
    return isinstance(item, Message) and item.msg_type in _REPLACING


def _less(items: list[Item]) -> list[Item]:
    """The same for nothing but a cell's output; all else keeps its place."""
    if all(isinstance(item, tuple) for item in items):
        return _joined(items)
    return _joined(_last_updates(_without_cleared(items)))


def _clears(item: Item) -> bool:
    return isinstance(item, Message) and item.msg_type == "clear_output"


def _without_cleared(items: list[Item]) -> list[Item]:
    """Without what lies between a clearing and a later one that has something behind it: with `wait`, a clearing does
    nothing until then. Updates may be of displays elsewhere."""
    clearings = [at for at, item in enumerate(items) if _clears(item)]
    shows = [at for at, item in enumerate(items) if isinstance(item, tuple) or _is_shown(item)]
    effective = [at for at in clearings if shows and shows[-1] > at]
    if len(effective) < 2:
        return items
    dead = range(effective[0], effective[-1])
    return [item for at, item in enumerate(items) if at not in dead or _display_updated(item)]


def _is_shown(item: Item) -> bool:
    return isinstance(item, Message) and item.msg_type in _SHOWN


def _display_updated(item: Item) -> str:
    if not isinstance(item, Message) or item.msg_type != "update_display_data":
        return ""
    return str((item.content.get("transient") or {}).get("display_id", ""))


def _last_updates(items: list[Item]) -> list[Item]:
    last = {display: at for at, item in enumerate(items) if (display := _display_updated(item))}
    return [item for at, item in enumerate(items) if not (display := _display_updated(item)) or last[display] == at]


def _joined(items: list[Item]) -> list[Item]:
    found: list[Item] = []
    texts: list[str] = []
    like: Text | None = None
    for item in items:
        if not isinstance(item, tuple):
            found += [*_one_text(like, texts), item]
            like, texts = None, []
        elif like is not None and item[0] == like[0] and item[2] == like[2]:
            texts.append(item[1])
        else:
            found += _one_text(like, texts)
            like, texts = item, [item[1]]
    return found + _one_text(like, texts)


def _one_text(like: Text | None, texts: list[str]) -> list[Item]:
    if like is None:
        return []
    text = "".join(texts)
    return [(like[0], collapse(text) if text.count("\r") > FEW_RETURNS else text, like[2])]
