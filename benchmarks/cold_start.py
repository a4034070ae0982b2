"""From nothing to the first output.

Case `process`: a new session on a warm keeper, asked for by a `%%gpu` cell in a running notebook kernel, against
starting a fresh local ipykernel and running the same cell in it.
"""

import time

from benchmarks.kernels import kernel, own_executor
from benchmarks.report import Comparison, arguments, show

CELL = "print('first output')"


def fresh_kernel() -> float:
    """Seconds from starting a local kernel to its first output."""
    begun = time.perf_counter()
    with kernel() as fresh:
        started = time.perf_counter() - begun
        return started + fresh.first_output(CELL)


def process(rounds: int) -> Comparison:
    """Sample both sides alternately, after one unmeasured round of each."""
    with own_executor(), kernel() as notebook:
        notebook.run("%load_ext farcell")
        notebook.run(f"%%gpu cpu --once\n{CELL}")
        ours, peer = [], []
        for _ in range(rounds):
            ours.append(notebook.first_output(f"%%gpu cpu --once\n{CELL}") * 1e3)
            peer.append(fresh_kernel() * 1e3)
    return Comparison("cold_start", "process", ours, peer, "local ipykernel", "ms", "lower")


if __name__ == "__main__":
    options = arguments(__doc__, rounds=11)
    show(process(options.rounds), as_json=options.json)
