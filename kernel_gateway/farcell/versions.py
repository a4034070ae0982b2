"""Which of two versions of farcell is older."""

import re


def is_older(version: str, than: str) -> bool:
    """Whether `version` precedes `than`. One that cannot be read is not older: it is left alone."""
    left, right = _key(version), _key(than)
    return left is not None and right is not None and left < right


def _key(version: str) -> tuple[tuple[int, ...], bool, str] | None:
    """The numbers without zeros at the end; then a pre-release before its release."""
    match = re.match(r"v?(\d+(?:\.\d+)*)(.*)", version.strip())
    if match is None:
        return None
    numbers = [int(part) for part in match[1].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    rest = match[2].partition("+")[0].lstrip(".-_")
    is_final = not rest or rest.startswith("post")
    return tuple(numbers), is_final, rest
