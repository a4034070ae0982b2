"""How a process of ours stays when whoever started it has gone."""

import os
import sys
from collections.abc import Collection
from contextlib import suppress


def close_inherited(keep: Collection[int] = ()) -> None:
    """Close every descriptor but the standard streams and `keep`: ours must not hold open what others wait for."""
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor > 2 and descriptor not in keep:
            with suppress(OSError):  # the one that the listing itself used
                os.close(descriptor)


def move_to_background(log: int) -> None:
    """A session of our own, no standard input, and all that is said goes to the descriptor `log`."""
    with suppress(PermissionError):  # we lead one already: whoever started us did this
        os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    if sys.stdout is not None:  # nor was there any standard output, perhaps
        sys.stdout.flush()
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(nothing)
    # No folder is kept from being unmounted; and Python puts the start folder first on the path of what we execute
    # with -m, where nobody's notebooks may lie.
    os.chdir("/")
