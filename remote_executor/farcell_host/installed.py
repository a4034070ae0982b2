"""Which farcell is installed on this machine."""

from functools import cache


@cache
def our_version() -> str:
    """The version of the farcell that runs here; "0" in a tree that was never installed."""
    # Imported here: it is slow, and most who import this file never ask.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("farcell")
    except PackageNotFoundError:
        return "0"
