"""A small cell in a warm session: the same notebook kernel with and without `%%gpu`, interleaved."""

from benchmarks.kernels import kernel, own_executor
from benchmarks.report import Comparison, arguments, show


def one_plus_one(rounds: int) -> Comparison:
    """`1+1`, from sending it to the kernel until the kernel is idle."""
    with own_executor(), kernel() as notebook:
        notebook.run("%load_ext farcell")
        for _ in range(5):
            notebook.run("%%gpu cpu\n1+1")
            notebook.run("1+1")
        ours, peer = [], []
        for _ in range(rounds):
            ours.append(notebook.run("%%gpu cpu\n1+1") * 1e3)
            peer.append(notebook.run("1+1") * 1e3)
    return Comparison("warm_cell", "1+1", ours, peer, "local ipykernel", "ms", "lower")


if __name__ == "__main__":
    options = arguments(__doc__, rounds=200)
    show(one_plus_one(options.rounds), as_json=options.json)
