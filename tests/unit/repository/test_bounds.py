"""A page that fills a cell shows as much of a run as the kernel would have shown."""

import re
from pathlib import Path

from farcell import bounds

PAGE = Path(__file__).parents[3] / "labextension" / "src" / "model" / "bounds.ts"


def test_the_page_and_the_kernel_leave_out_the_same():
    text = PAGE.read_text()
    limits = re.search(r"LIMITS: ILimits = \{([^}]*)\}", text)
    gaps = re.search(r"MOST_GAPS = (\d+);", text)
    assert limits
    assert gaps
    assert {name: int(number) for name, number in re.findall(r"(\w+): ([\d_]+)", limits[1])} == {
        "headChars": bounds.HEAD_CHARS,
        "headLines": bounds.HEAD_LINES,
        "tailChars": bounds.TAIL_CHARS,
        "tailLines": bounds.TAIL_LINES,
    }
    assert int(gaps[1]) == bounds.MOST_GAPS
