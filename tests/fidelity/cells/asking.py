"""Cells that ask the person in front of the notebook."""

from tests.fidelity.case import Subject, asked

asking = Subject()

asking(
    "input",
    asked(
        """
name = input('name? ')
print('hello', name)
""",
        "Ada",
    ),
)
asking(
    "input twice",
    asked("[input(), input('more: ')]", "a", "b"),
)
asking(
    "getpass",
    asked(
        """
import getpass
len(getpass.getpass('secret? '))
""",
        "hidden",
    ),
)
asking("input where nobody can answer", "input('name? ')")
asking(
    "getpass where nobody can answer",
    """
import getpass
getpass.getpass('secret? ')
""",
)
asking(
    "reading sys.stdin",
    """
import sys
sys.stdin.read()
""",
)
asking(
    "%debug after an error",
    "1 / 0",
    asked("%debug", "p 1 + 1", "w", "q"),
)
asking(
    "breakpoint",
    asked(
        """
x = 5
breakpoint()
print('after')
""",
        "c",
    ),
    after="globals().pop('__return__', None)",
    limit="without a debugger attached it does nothing locally; a far cell asks, since none can be attached",
)
asking(
    "pdb.set_trace in a function",
    asked(
        """
import pdb
def f(n):
    pdb.set_trace()
    return n
f(3)
""",
        "p n",
        "c",
    ),
)
asking(
    "%pdb on",
    asked(
        """
%pdb on
1 / 0
""",
        "p 2 + 2",
        "q",
    ),
    after="%pdb off",
)
