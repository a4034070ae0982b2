"""What the line of a magic may go on with, for IPython's completer and so for that of every front end."""

from collections.abc import Callable
from typing import Any

from IPython.core.error import TryNext

Offers = Callable[[str], list[str]]
"""The words that may stand where a line ends."""


def install(shell: Any, offers: Offers) -> None:
    """Have `offers` asked for every line that begins with %gpu or %%gpu."""
    try:
        from IPython.core.completer import SimpleCompletion, context_matcher
    except ImportError:  # before IPython 8.6 nothing but a hook, whose words come behind Python's
        for command in ("%gpu", "%%gpu"):
            shell.set_hook("complete_command", _hook(offers), str_key=command)
        return

    @context_matcher(identifier="farcell.magics")  # type: ignore[untyped-decorator]
    def match(context: Any) -> dict[str, Any]:
        line = context.text_until_cursor.lstrip()
        words = offers(line) if line.startswith(("%gpu", "%%gpu")) else []
        fitting = [SimpleCompletion(word, type="gpu") for word in words if _fits(word, context.token)]
        # Words of Python are no options: where there are words of ours, they stand alone.
        return {"completions": fitting, "suppress": bool(fitting), "ordered": True}

    shell.Completer.custom_matchers.append(match)


def _fits(word: str, typed: str) -> bool:
    return word.lower().startswith(typed.lower())


def _hook(offers: Offers) -> Callable[[Any, Any], list[str]]:
    def complete(shell: Any, event: Any) -> list[str]:
        if not event.line.lstrip().startswith(("%gpu", "%%gpu")):
            raise TryNext
        return offers(event.line.lstrip())

    return complete
