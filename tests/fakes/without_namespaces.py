"""`python without_namespaces.py COMMAND ...`: run a command to which the kernel refuses new namespaces.

As the seccomp filters of container engines do, for root and for ordinary users alike.
"""

import ctypes
import os
import struct
import sys

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_MODE_FILTER = 2
_UNSHARE = {"x86_64": 272, "aarch64": 97}
_LOAD_NUMBER, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO_EPERM = 0x7FFF_0000, 0x0005_0001


def _step(code: int, value: int, if_not: int = 0) -> bytes:
    return struct.pack("=HBBI", code, 0, if_not, value)


def _refuse_unshare() -> None:
    steps = [
        _step(_LOAD_NUMBER, 0),
        _step(_IF_EQUAL, _UNSHARE[os.uname().machine], if_not=1),
        _step(_RETURN, _ERRNO_EPERM),
        _step(_RETURN, _ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(steps))
    program = struct.pack("@HP", len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for order in ((_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_PR_SET_SECCOMP, _MODE_FILTER, program, 0, 0)):
        if libc.prctl(*order) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    _refuse_unshare()
    os.execvp(sys.argv[1], sys.argv[1:])
