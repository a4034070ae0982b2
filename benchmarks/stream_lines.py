"""Lines of output per second: a cell that prints 100,000 lines, far and local, in the same notebook kernel."""

from benchmarks.kernels import MeasuredKernel, Message, kernel, own_executor
from benchmarks.report import Comparison, arguments, show

LINES = 100_000
CELL = f"for i in range({LINES}): print('line', i)"


def lines_per_second(notebook: MeasuredKernel, source: str) -> float:
    """The rate at which the cell's lines arrive.

    Raises:
        RuntimeError: a line was lost, doubled or out of order.
    """
    text: list[str] = []

    def collect(message: Message) -> None:
        if message["msg_type"] == "stream":
            text.append(message["content"]["text"])

    took = notebook.run(source, collect)
    got = "".join(text).splitlines()
    if got != [f"line {i}" for i in range(LINES)]:
        raise RuntimeError(f"{LINES} lines were printed, {len(got)} arrived or their order changed")
    return LINES / took


def hundred_thousand_lines(rounds: int) -> Comparison:
    """Sample both sides alternately, after one unmeasured round of each."""
    with own_executor(), kernel() as notebook:
        notebook.run("%load_ext farcell")
        ours, peer = [], []
        for _ in range(rounds + 1):
            ours.append(lines_per_second(notebook, f"%%gpu cpu\n{CELL}"))
            peer.append(lines_per_second(notebook, CELL))
    return Comparison("stream_lines", "100000 lines", ours[1:], peer[1:], "local ipykernel", "lines/s", "higher")


if __name__ == "__main__":
    options = arguments(__doc__, rounds=7)
    show(hundred_thousand_lines(options.rounds), as_json=options.json)
