"""Text: stdout, stderr, from C, from descriptors, odd bytes."""

from tests.fidelity.case import Subject

streams = Subject()

streams("print", "print('hello', 'world', sep=', ')")
streams("print without a newline", "print('no newline', end='')")
streams("print an empty string", "print('', end='')")
streams(
    "print empty lines",
    """
print()
print()
""",
)
streams(
    "a loop that prints",
    """
for i in range(1000):
    print(i)
""",
)
streams(
    "stderr",
    """
import sys
print('bad', file=sys.stderr)
""",
)
streams(
    "stdout and stderr, flushed",
    """
import sys
for i in range(3):
    print('out', i, flush=True)
    print('err', i, file=sys.stderr, flush=True)
""",
)
streams(
    "carriage returns",
    r"""
for i in range(5):
    print(f'\r{i}', end='')
""",
)
streams(
    "unicode",
    r"""
print('žluťoučký kůň 日本語 🐎 \u200b')
""",
)
streams(
    "ANSI colours",
    r"""
print('\x1b[31mred\x1b[0m plain')
""",
)
streams(
    "NUL and other controls",
    r"""
print('a\x00b\x07c\x08d')
""",
)
streams("a very long line", "print('x' * 100_000)")
streams(
    "many long lines",
    """
for i in range(20):
    print(str(i) * 20_000)
""",
)
streams(
    "os.write to 1",
    r"""
import os
os.write(1, b'from the descriptor\n')
None
""",
    late=True,
)
streams(
    "os.write to 2",
    r"""
import os
os.write(2, b'to the other\n')
None
""",
    late=True,
)
streams(
    "invalid UTF-8 through os.write",
    r"""
import os
os.write(1, b'caf\xc3\xa9 \xff\xfe\n')
None
""",
    late=True,
)
streams(
    "invalid UTF-8 through sys.stdout.buffer",
    r"""
import sys
sys.stdout.buffer.write(b'ok\n')
None
""",
    limit="ipykernel's streams take no bytes; a far cell's do",
)
streams(
    "puts of C, flushed",
    """
import ctypes
libc = ctypes.CDLL(None)
libc.puts(b'from C')
libc.fflush(None)
None
""",
    late=True,
)
streams(
    "sys.stdout.write returns",
    """
import sys
sys.stdout.write('four')
""",
)
streams(
    "writelines",
    r"""
import sys
sys.stdout.writelines(['a\n', 'b\n'])
""",
)
streams(
    "print to a closed stream",
    """
import io
s = io.StringIO()
s.close()
print('x', file=s)
""",
)
streams(
    "a stream refuses bytes",
    """
import sys
sys.stdout.write(b'bytes')
""",
    limit="the traceback goes through the stream, whose code is ours",
)
streams(
    "redirect_stdout",
    """
import io, contextlib
with contextlib.redirect_stdout(io.StringIO()) as s:
    print('caught')
s.getvalue()
""",
)
streams(
    "what the streams say of themselves",
    """
import sys
sys.stdout.encoding, sys.stdout.isatty(), sys.stdout.writable(), sys.stdout.name, sys.stdout.errors
""",
)
streams(
    "logging to the root",
    """
import logging
logging.warning('careful')
logging.info('unheard')
""",
)
streams(
    "logging with a handler",
    """
import logging, sys
log = logging.getLogger('fidelity')
handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(logging.Formatter('%(levelname)s %(name)s %(message)s'))
log.addHandler(handler)
log.error('here it is')
log.removeHandler(handler)
""",
)
streams(
    "logging an exception",
    """
import logging
try:
    1 / 0
except ZeroDivisionError:
    logging.exception('caught')
""",
)
streams(
    "warnings.warn",
    """
import warnings
warnings.warn('old', DeprecationWarning)
""",
)
streams(
    "warnings.warn in a function",
    """
import warnings
def f():
    warnings.warn('from f')
f()
f()
""",
)
streams(
    "SyntaxWarning",
    """
x = 1
x is 1
""",
)
streams(
    "an invalid escape",
    r"""
'\d'
""",
)
streams(
    "warnings as errors",
    """
import warnings
with warnings.catch_warnings():
    warnings.simplefilter('error')
    warnings.warn('raised')
""",
)
streams(
    "pprint",
    """
from pprint import pprint
pprint({i: list(range(i)) for i in range(20)})
""",
)
streams(
    "print from a finaliser",
    """
class F:
    def __del__(self):
        print('finalised')
f = F()
del f
""",
)
streams(
    "an exception in a finaliser",
    """
class F:
    def __del__(self):
        raise ValueError('late')
f = F()
del f
""",
)
streams("help", "help(abs)")
streams(
    "faulthandler-like dump",
    """
import traceback
traceback.print_stack(limit=1)
""",
)
streams(
    "sys.displayhook called",
    """
import sys
sys.displayhook(5)
""",
)
