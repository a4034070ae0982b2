"""The protocol's version, and who must talk down to whom."""

from farcell_protocol.errors import VersionMismatch

PROTOCOL = 1
"""The version this program speaks at best. Raised by every change an older peer would misread."""

OLDEST = 1
"""The oldest version this program can still speak."""


def agree(theirs: int, their_oldest: int, *, who: str) -> int:
    """The newest version that both sides speak.

    `who` names the other side in the error ("the executor at /run/…").

    Raises:
        VersionMismatch: the ranges do not meet; the text says which side to upgrade.
    """
    newest = min(PROTOCOL, theirs)
    if newest >= max(OLDEST, their_oldest):
        return newest
    behind = who if theirs < OLDEST else "this program"
    raise VersionMismatch(
        f"{who} speaks protocol {their_oldest} to {theirs}, this program {OLDEST} to {PROTOCOL}: upgrade {behind}",
        ours=PROTOCOL,
        theirs=theirs,
    )
