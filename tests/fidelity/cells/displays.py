"""Displays: their kinds, ids, updates, formatters."""

from tests.fidelity.case import Subject

displays = Subject()

displays(
    "HTML",
    """
from IPython.display import HTML
HTML('<b>bold</b>')
""",
)
displays(
    "Markdown",
    """
from IPython.display import Markdown, display
display(Markdown('# Title'))
""",
)
displays(
    "Latex",
    """
from IPython.display import Latex
Latex('$x^2$')
""",
)
displays(
    "Math",
    """
from IPython.display import Math
Math('x^2')
""",
)
displays(
    "SVG",
    """
from IPython.display import SVG
SVG('<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"></svg>')
""",
)
displays(
    "PNG",
    """
import base64
from IPython.display import Image
Image(base64.b64decode('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='))
""",
)
displays(
    "PNG with width and metadata",
    """
import base64
from IPython.display import Image
text = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
png = base64.b64decode(text)
Image(png, width=20, alt='a dot', metadata={'isolated': True})
""",
)
displays(
    "JSON",
    """
from IPython.display import JSON
JSON({'a': [1, 2, {'b': None}]}, expanded=True)
""",
)
displays(
    "Javascript",
    """
from IPython.display import Javascript
Javascript('console.log(1)')
""",
)
displays(
    "GeoJSON",
    """
from IPython.display import GeoJSON
GeoJSON({'type': 'Point', 'coordinates': [1, 2]})
""",
)
displays(
    "IFrame",
    """
from IPython.display import IFrame
IFrame('http://localhost/', 100, 50)
""",
)
displays(
    "Audio of bytes",
    r"""
from IPython.display import Audio
Audio(b'\x00\x01' * 10, rate=8000)
""",
)
displays(
    "Code",
    """
from IPython.display import Code
Code('x = 1', language='python')
""",
)
displays(
    "ProgressBar",
    """
from IPython.display import ProgressBar
bar = ProgressBar(3)
bar.display()
for step in bar:
    pass
""",
)
displays(
    "Pretty",
    """
from IPython.display import Pretty
Pretty('as it is')
""",
)
displays(
    "several at once",
    """
from IPython.display import display
display(1, 'two', [3])
""",
)
displays(
    "a raw bundle",
    """
from IPython.display import display
display({'text/plain': 'p', 'text/html': '<i>h</i>'}, raw=True)
""",
)
displays(
    "a bundle with metadata",
    """
from IPython.display import display
display({'text/plain': 'p'}, raw=True, metadata={'text/plain': {'k': 1}})
""",
)
displays(
    "include and exclude",
    """
from IPython.display import display, HTML
display(HTML('<b/>'), include=['text/html'])
display(HTML('<b/>'), exclude=['text/html'])
""",
)
displays(
    "transient",
    """
from IPython.display import display
display('x', transient={'mark': 1})
""",
)
displays(
    "display_id of one's own, updated",
    """
from IPython.display import display, update_display
handle = display('first', display_id='mine')
handle.update('second')
update_display('third', display_id='mine')
""",
)
displays(
    "a display id of chance",
    """
from IPython.display import display
h = display('a', display_id=True)
h.update('b')
h.display('c')
""",
    "h.update('from a later cell')",
)
displays(
    "clear_output",
    """
from IPython.display import clear_output
print('gone')
clear_output()
print('stays')
""",
)
displays(
    "clear_output, waiting",
    """
from IPython.display import clear_output
for i in range(3):
    clear_output(wait=True)
    print(i)
""",
)
displays(
    "prints between displays",
    """
from IPython.display import display
print('a')
display(1)
print('b')
display(2)
print('c', end='')
""",
)
displays(
    "plotly by hand",
    """
class Figure:
    def _repr_mimebundle_(self, include=None, exclude=None):
        figure = {'data': [{'type': 'scatter', 'x': [1, 2], 'y': [3.5, None]}], 'layout': {}}
        return {'application/vnd.plotly.v1+json': figure, 'text/html': '<div>plot</div>'}
Figure()
""",
)
displays(
    "altair by hand, with metadata",
    """
class Chart:
    def _repr_mimebundle_(self, **kwargs):
        kind = 'application/vnd.vegalite.v5+json'
        spec = {'mark': 'bar', 'data': {'values': [{'a': 1}]}}
        return {kind: spec, 'text/plain': 'chart'}, {kind: {'embed': True}}
Chart()
""",
)
displays(
    "_repr_html_",
    """
class R:
    def _repr_html_(self):
        return '<p>r</p>'
    def __repr__(self):
        return 'R()'
R()
""",
)
displays(
    "_repr_html_ that raises",
    """
class R:
    def _repr_html_(self):
        raise ValueError('no html')
    def __repr__(self):
        return 'R()'
R()
""",
)
displays(
    "__repr__ that raises",
    """
class R:
    def __repr__(self):
        raise ValueError('no repr')
R()
""",
)
displays(
    "_ipython_display_",
    """
class R:
    def _ipython_display_(self):
        print('shows itself')
R()
""",
)
displays(
    "_repr_pretty_",
    """
class R:
    def _repr_pretty_(self, p, cycle):
        p.text('R(...)' if cycle else 'R pretty')
[R()]
""",
)
displays(
    "_repr_png_ bytes",
    r"""
class R:
    def _repr_png_(self):
        return b'\x89PNG\r\n'
R()
""",
)
displays(
    "_repr_json_",
    """
class R:
    def _repr_json_(self):
        return {'n': 1}
R()
""",
)
displays(
    "a formatter of one's own",
    """
class Length:
    def __init__(self, n): self.n = n
formatter = get_ipython().display_formatter.formatters['text/html']
formatter.for_type(Length, lambda value: f'<b>{value.n} m</b>')
""",
    "Length(3)",
    after="formatter.pop(Length)",
)
displays(
    "a plain formatter for floats",
    "get_ipython().display_formatter.formatters['text/plain'].for_type(complex, lambda v, p, c: p.text('c!'))",
    "1 + 2j",
    after="get_ipython().display_formatter.formatters['text/plain'].pop(complex)",
)
displays(
    "publish_display_data",
    """
from IPython.display import publish_display_data
publish_display_data({'text/plain': 'published', 'application/json': {'x': 1}}, metadata={'m': 2})
""",
)
displays(
    "a message with buffers",
    """
publisher = get_ipython().display_pub
content = {'data': {'text/plain': 'b'}, 'metadata': {}, 'transient': {}}
publisher.session.send(
    publisher.pub_socket, 'display_data', content,
    parent=publisher.parent_header, buffers=[b'raw', bytes(range(256))],
)
None
""",
)
displays(
    "a thousand displays",
    """
from IPython.display import display
for i in range(1000):
    display(i)
""",
)
displays(
    "a large image",
    """
from IPython.display import Image, display
import random
display({'image/png': 'iVBO' + 'A' * 400_000}, raw=True)
""",
)
displays(
    "numbers JSON cannot say",
    """
from IPython.display import display
import math
display({'application/json': {'big': 2**70, 'inf': math.inf, 'nan': math.nan}}, raw=True)
""",
)
displays(
    "keys that are not text",
    """
from IPython.display import display
display({'application/json': {1: 'one'}}, raw=True)
""",
)
