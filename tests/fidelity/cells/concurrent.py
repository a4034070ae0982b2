"""Top-level await, tasks and threads."""

from tests.fidelity.case import Subject

concurrent = Subject()

concurrent(
    "top-level await",
    """
import asyncio
await asyncio.sleep(0)
print('awaited')
""",
)
concurrent(
    "the value of an await",
    """
import asyncio
await asyncio.sleep(0, 'value')
""",
)
concurrent(
    "gather",
    """
import asyncio
async def say(n):
    print('start', n)
    await asyncio.sleep(0.01 * n)
    print('end', n)
    return n
await asyncio.gather(*(say(n) for n in range(3)))
""",
)
concurrent(
    "async for and with",
    """
import asyncio, contextlib
async def numbers():
    for i in range(3):
        yield i
@contextlib.asynccontextmanager
async def room():
    print('in')
    yield
    print('out')
async with room():
    async for i in numbers():
        print(i)
""",
)
concurrent(
    "an error in an await",
    """
import asyncio
async def fail():
    await asyncio.sleep(0)
    raise ValueError('async')
await fail()
""",
)
concurrent(
    "an error in a task group",
    """
import asyncio
async def fail():
    raise ValueError('in group')
async with asyncio.TaskGroup() as group:
    group.create_task(fail())
""",
)
concurrent(
    "a timeout",
    """
import asyncio
async with asyncio.timeout(0.01):
    await asyncio.sleep(10)
""",
)
concurrent(
    "asyncio.run in a running loop",
    """
import asyncio
async def f(): pass
coro = f()
try:
    asyncio.run(coro)
finally:
    coro.close()
""",
)
concurrent(
    "a coroutine that is not awaited",
    """
async def f(): pass
type(f()).__name__
""",
)
concurrent(
    "a task awaited in a later cell",
    """
import asyncio
async def work():
    await asyncio.sleep(0.01)
    return 'worked'
task = asyncio.create_task(work())
""",
    "await task",
)
concurrent(
    "a task that prints while a later cell waits",
    """
import asyncio
async def work():
    for i in range(2):
        await asyncio.sleep(0.01)
        print('task', i)
task = asyncio.create_task(work())
print('begun')
""",
    """
await task
print('waited')
""",
    limit="what a task prints goes to the cell that runs then, not to the one that made it",
)
concurrent(
    "threads that print",
    """
import threading
lock = threading.Lock()
def say(n):
    print('thread', n)
for n in range(3):
    t = threading.Thread(target=say, args=(n,))
    t.start(); t.join()
print('joined')
""",
)
concurrent(
    "a thread that raises",
    """
import threading
def fail():
    raise ValueError('in a thread')
t = threading.Thread(target=fail, name='failing')
t.start(); t.join()
print('went on')
""",
)
concurrent(
    "a thread that displays",
    """
import threading
from IPython.display import display
t = threading.Thread(target=display, args=('from a thread',))
t.start(); t.join()
""",
)
concurrent(
    "a thread pool",
    """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as pool:
    print(list(pool.map(lambda n: n * n, range(5))))
""",
)
concurrent(
    "to_thread",
    """
import asyncio, threading
await asyncio.to_thread(lambda: threading.current_thread() is threading.main_thread())
""",
)
concurrent(
    "a context variable in a task",
    """
import asyncio, contextvars
var = contextvars.ContextVar('var', default='unset')
async def read():
    return var.get()
var.set('set')
await asyncio.gather(read(), asyncio.create_task(read()))
""",
)
concurrent(
    "a thread that prints after its cell",
    """
import threading
go = threading.Event()
def late():
    go.wait(10)
    print('late')
t = threading.Thread(target=late)
t.start()
""",
    """
go.set()
t.join()
print('joined')
""",
)
