"""What people's libraries show."""

from tests.fidelity.case import Subject, here

libraries = Subject()

libraries(
    "numpy arrays",
    """
import numpy as np
np.arange(12).reshape(3, 4)
""",
    "np.linspace(0, 1, 5), np.array(['a', 'bb']), np.float32(1.5)",
    "np.zeros(10_000)",
)
libraries(
    "numpy print options",
    """
import numpy as np
np.set_printoptions(precision=2)
np.array([1 / 3])
""",
    "np.array([2 / 3])",
    after="np.set_printoptions()",
)
libraries(
    "a numpy warning",
    """
import numpy as np
np.array([1.0]) / 0
""",
)
libraries(
    "a DataFrame",
    """
import pandas as pd
frame = pd.DataFrame({'a': [1, 2], 'b': ['x', None], 'c': [0.5, float('nan')]})
frame
""",
)
libraries(
    "a DataFrame printed, described",
    """
import pandas as pd
frame = pd.DataFrame({'a': range(100)})
print(frame)
frame.describe()
""",
    "frame.info()",
)
libraries(
    "a Series",
    """
import pandas as pd
pd.Series([1, 2, 3], name='s', index=list('abc'))
""",
)
libraries(
    "a long DataFrame",
    """
import pandas as pd
pd.DataFrame({f'c{i}': range(500) for i in range(30)})
""",
)
libraries(
    "pandas styling",
    """
import pandas as pd
pd.DataFrame({'a': [1, -2]}).style.highlight_max(color='yellow').format('{:+.2f}').set_uuid('t')
""",
)
libraries(
    "pandas options",
    """
import pandas as pd
pd.set_option('display.max_rows', 4)
pd.DataFrame({'a': range(10)})
""",
    "pd.DataFrame({'a': range(20)})",
    after="pd.reset_option('display.max_rows')",
)
libraries(
    "a pandas error",
    """
import pandas as pd
pd.DataFrame({'a': [1]})['b']
""",
)
libraries(
    "a DataFrame of the notebook's own kernel",
    here("""
import pandas as pd
local_frame = pd.DataFrame({'k': [3, 1, 2]})
"""),
    "local_frame.sort_values('k')",
)
libraries(
    "%matplotlib inline and a plot",
    """
%matplotlib inline
import matplotlib.pyplot as plt
plt.plot([1, 2, 4])
""",
)
libraries(
    "a plot with plt.show()",
    """
import matplotlib.pyplot as plt
print('before')
plt.bar([1, 2], [3, 4])
plt.show()
print('after')
""",
)
libraries(
    "a figure as the result",
    """
import matplotlib.pyplot as plt
fig, ax = plt.subplots(figsize=(2, 1))
ax.set_title('t')
plt.close(fig)
fig
""",
)
libraries(
    "two figures, displayed",
    """
import matplotlib.pyplot as plt
from IPython.display import display
for n in range(2):
    fig, ax = plt.subplots(figsize=(2, 1))
    ax.plot([n, 1])
    display(fig)
    plt.close(fig)
""",
)
libraries(
    "a plot with a semicolon",
    """
import matplotlib.pyplot as plt
plt.plot([1, 2]);
""",
)
libraries(
    "a figure left open and an error",
    """
import matplotlib.pyplot as plt
plt.plot([3, 1])
1 / 0
""",
)
libraries(
    "SVG figures",
    """
%config InlineBackend.figure_formats = ['svg']
import matplotlib, matplotlib.pyplot as plt
matplotlib.rcParams['svg.hashsalt'] = 'fidelity'
%config InlineBackend.print_figure_kwargs = {'metadata': {'Date': None}}
plt.plot([1, 2])
plt.show()
""",
    after="""
%config InlineBackend.figure_formats = ['png']
%config InlineBackend.print_figure_kwargs = {'bbox_inches': 'tight'}
""",
)
libraries(
    "a matplotlib animation",
    """
import matplotlib.pyplot as plt
from matplotlib.animation import FuncAnimation
from IPython.display import HTML
fig, ax = plt.subplots(figsize=(1, 1))
line, = ax.plot([], [])
def draw(n):
    line.set_data([0, n], [0, n])
    return line,
animation = FuncAnimation(fig, draw, frames=2)
html = animation.to_jshtml()
plt.close(fig)
HTML(html)
""",
)
libraries(
    "rich",
    """
from rich import print as rprint
rprint('[bold red]red[/] plain', {'a': [1, 2]})
""",
)
libraries(
    "a rich table",
    """
from rich.table import Table
from rich.console import Console
table = Table(title='T')
table.add_column('a'); table.add_row('1')
Console().print(table)
table
""",
)
libraries(
    "rich.pretty installed",
    """
formatters = get_ipython().display_formatter.formatters
plain_before = formatters['text/plain']
""",
    """
from rich import pretty
pretty.install()
""",
    "{'a': 1}",
    after="formatters['text/plain'] = plain_before",
)
libraries(
    "rich tracebacks printed",
    """
from rich.console import Console
try:
    1 / 0
except ZeroDivisionError:
    print('rich', Console().is_jupyter)
""",
)
libraries(
    "rich progress",
    """
from rich.progress import track
for step in track(range(3), description='working', auto_refresh=False):
    pass
""",
)
libraries(
    "tqdm in text",
    """
import sys
from tqdm import tqdm
for step in tqdm(range(3), file=sys.stdout, mininterval=0, miniters=1):
    pass
""",
)
libraries(
    "tqdm on stderr",
    """
from tqdm import tqdm
for step in tqdm(range(3)):
    pass
""",
)
libraries(
    "tqdm.write",
    """
import sys
from tqdm import tqdm
for i in tqdm(range(2), file=sys.stdout):
    tqdm.write(f'step {i}')
""",
)
libraries(
    "tqdm.auto",
    """
from tqdm.auto import tqdm
for step in tqdm(range(3)):
    pass
""",
)
libraries(
    "tqdm.notebook",
    """
from tqdm.notebook import tqdm
for step in tqdm(range(3)):
    pass
""",
)
libraries(
    "a widget",
    """
import ipywidgets
ipywidgets.IntSlider(value=3)
""",
)
libraries(
    "an Output widget",
    """
import ipywidgets
out = ipywidgets.Output()
display(out)
with out:
    print('inside')
""",
)
libraries(
    "sympy-like latex",
    r"""
class Formula:
    def _repr_latex_(self):
        return '$\\frac{1}{2}$'
Formula()
""",
)
