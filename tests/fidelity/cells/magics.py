"""Line and cell magics, and `get_ipython()` from code."""

from tests.fidelity.case import Subject

magics = Subject()

magics("%timeit", "%timeit -n1 -r1 sum(range(10))")
magics("%time of an expression shows its value", "%time 6 * 7")
magics(
    "%%time",
    """
%%time
total = sum(range(10))
print(total)
total
""",
)
magics(
    "%%timeit",
    """
%%timeit -n1 -r1
sum(range(10))
""",
)
magics("%pwd", "%pwd")
magics("%cd and back", "%cd /", "%pwd", "%cd -")
magics("%who of what this case bound", "fidelity_alpha = 1; fidelity_beta = 'b'", "%who fidelity_alpha", "%who_ls str")
magics("%whos of one type", "fidelity_gamma = {1, 2}", "%whos set", after="del fidelity_gamma")
magics(
    "%%capture keeps all",
    """
%%capture heard
print('out')
'result'
""",
    "heard.stdout",
    "heard.show()",
)
magics(
    "%%capture --no-stdout",
    """
%%capture --no-stdout
print('let through')
""",
)
magics("%xmode Plain", "%xmode Plain", "1 / 0", after="%xmode Context")
magics(
    "%xmode Verbose",
    "%xmode Verbose",
    """
def f(n):
    return 1 / n
f(0)
""",
    after="%xmode Context",
)
magics("%xmode Minimal", "%xmode Minimal", "{}['missing']", after="%xmode Context")
magics("%precision", "%precision 3", "3.14159265", after="%precision")
magics("%load_ext of something that is not there", "%load_ext no_such_extension")
magics("%load_ext of a module", "%load_ext autoreload", "%autoreload 0")
magics(
    "%%writefile, again, and -a",
    """
%%writefile made.txt
one
two
""",
    """
%%writefile made.txt
three
""",
    """
%%writefile -a made.txt
four
""",
)
magics(
    "%%writefile and %run",
    """
%%writefile ran.py
print('ran')
answer = 42
""",
    "%run ran.py",
    "answer",
)
magics(
    "%run of a script that raises",
    """
%%writefile raises.py
def f():
    raise KeyError('inside')

f()
""",
    "%run raises.py",
)
magics("%pinfo, which the pager shows", "int?")
magics("%lsmagic has a display", "type(get_ipython().run_line_magic('lsmagic', '')).__name__")
magics("an unknown line magic", "%no_such_magic 1")
magics(
    "an unknown cell magic",
    """
%%no_such_magic
1
""",
)
magics("a magic wrongly used", "%timeit -n")
magics(
    "a magic assigned",
    """
where = %pwd
where.startswith('/')
""",
)
magics(
    "%%html",
    """
%%html
<b>bold</b>
""",
)
magics(
    "%%markdown",
    """
%%markdown
# Title
""",
)
magics(
    "%%latex",
    """
%%latex
$x^2$
""",
)
magics(
    "%%svg",
    """
%%svg
<svg xmlns='http://www.w3.org/2000/svg'/>
""",
)
magics(
    "%%javascript",
    """
%%javascript
element.append('x')
""",
)
magics("%env of one variable", "%env FIDELITY=yes", "%env FIDELITY", after="import os; os.environ.pop('FIDELITY')")
magics("%alias", "%alias fidelity echo aliased %s", "%fidelity word")
magics("%macro", "kept = 5", "%macro -q fid_macro _i", "fid_macro")
magics("%recall", "recalled = 1", "%recall 1")
magics("%prun shows a table", "%prun -q -T prof.txt sum(range(3))")
magics("%config of a class", "%config InlineBackend.figure_formats")
magics("%colors none", "%colors nocolor", "1 / 0", after="%colors neutral")
magics(
    "run_cell from code",
    r"""
get_ipython().run_cell('print(1)\n2 + 2').result
""",
)
magics("run_cell that raises", "get_ipython().run_cell('1 / 0').success")
magics("run_line_magic from code", "get_ipython().run_line_magic('timeit', '-n1 -r1 -q -o 1').loops")
magics(
    "a magic of one's own",
    """
from IPython.core.magic import register_line_magic
@register_line_magic
def shout(line):
    return line.upper()
""",
    "%shout hello",
)
magics(
    "ev and ex",
    """
ip = get_ipython()
ip.ex('y = 5')
ip.ev('y + 1')
""",
)
magics(
    "an input transformer of one's own",
    """
def twice(lines):
    return [line.replace('TWO', '2') for line in lines]
get_ipython().input_transformers_cleanup.append(twice)
""",
    "TWO + TWO",
    after="get_ipython().input_transformers_cleanup.clear()",
)
magics(
    "events of one's own",
    """
def after(result):
    print('after', result.success)
get_ipython().events.register('post_run_cell', after)
""",
    "1",
    after="get_ipython().events.unregister('post_run_cell', after)",
)
