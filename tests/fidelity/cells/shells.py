"""Other programs: `!`, `%%bash` and child processes."""

from tests.fidelity.case import Subject

shells = Subject()

shells("!echo", "!echo one; echo two >&2")
shells(
    "! with a variable",
    """
word = 'hello'
!echo {word} $word
""",
)
shells(
    "! captured",
    r"""
lines = !printf 'a\nb\n'
lines
""",
)
shells("! that fails sets _exit_code", "!exit 3", "_exit_code")
shells("!! returns", "!!echo two")
shells("%sx", "%sx echo three")
shells(
    "%%bash",
    """
%%bash
for i in 1 2 3; do echo $i; done
echo bad >&2
""",
)
shells(
    "%%bash that fails",
    """
%%bash
echo before
exit 4
""",
)
shells(
    "%%bash --out",
    """
%%bash --out got
echo kept
""",
    "got",
)
shells(
    "%%sh",
    """
%%sh
echo from sh
""",
)
shells(
    "%%script python",
    """
%%script python3
print('another python')
""",
)
shells(
    "%%python",
    """
%%python
print('again')
""",
)
shells(
    "%%perl is not found or is",
    """
%%script no-such-program
x
""",
)
shells(
    "subprocess.run prints",
    """
import subprocess
print('before', flush=True)
subprocess.run(['echo', 'child'])
None
""",
    late=True,
)
shells(
    "os.system",
    """
import os
print('before', flush=True)
os.system('echo child')
None
""",
    late=True,
)
shells(
    "subprocess captured",
    """
import subprocess
subprocess.check_output(['echo', 'x'], text=True)
""",
)
shells(
    "subprocess fails",
    """
import subprocess
subprocess.run(['false'], check=True)
""",
)
shells(
    "a child told to write to sys.stdout",
    """
import subprocess, sys
subprocess.run(['echo', 'to stdout'], stdout=sys.stdout)
None
""",
    limit="ipykernel lets it write to where the kernel's own output went; a far cell shows it",
)
shells(
    "a forked child prints",
    """
import os, sys
pid = os.fork()
if pid == 0:
    print('in the child', flush=True)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
""",
    late=True,
)
shells(
    "multiprocessing prints",
    """
import multiprocessing as mp
def say(n):
    print('child', n, flush=True)
context = mp.get_context('fork')
for n in range(2):
    p = context.Process(target=say, args=(n,))
    p.start(); p.join()
assert p.exitcode == 0
""",
    late=True,
)
shells(
    "a process pool",
    """
from concurrent.futures import ProcessPoolExecutor
import multiprocessing as mp
def square(n):
    return n * n
with ProcessPoolExecutor(2, mp_context=mp.get_context('fork')) as pool:
    print(list(pool.map(square, range(5))))
""",
)
shells(
    "an exception in a process pool",
    """
from concurrent.futures import ProcessPoolExecutor
import multiprocessing as mp
def fails(n):
    raise ValueError(f'no {n}')
with ProcessPoolExecutor(1, mp_context=mp.get_context('fork')) as pool:
    try:
        pool.submit(fails, 7).result()
    except ValueError as err:
        print(repr(err))
""",
)
