"""Giving back the disk under the beginning of a file whose end is still needed."""

import ctypes

_KEEP_SIZE = 0x01
_PUNCH_HOLE = 0x02


def punch(fd: int, start: int, end: int) -> bool:
    """Free what lies from `start` up to `end`; it reads as zeros, and the file keeps its length. False where the file
    system has no holes."""
    libc = ctypes.CDLL(None)
    failed: int = libc.fallocate(fd, _KEEP_SIZE | _PUNCH_HOLE, ctypes.c_int64(start), ctypes.c_int64(end - start))
    return not failed
