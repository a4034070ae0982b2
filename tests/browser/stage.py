"""An executor's side of the page's websocket, played: any state of the panel, without waiting until it comes about."""

import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, WebSocketRoute

from farcell_jupyter.messages import Down, ToBrowser, Up, write
from farcell_protocol.errors import ErrorInfo
from farcell_protocol.frames import Variable, Variables
from farcell_protocol.messages import api

GIB = 2**30


def play(page: Page, *messages: ToBrowser) -> None:
    """From the next load on, whoever connects is told this, and no server is asked."""
    _answer(page, lambda route: [route.send(write(message).decode()) for message in messages])


def refuse(page: Page) -> None:
    """From the next load on, the server does not answer."""
    _answer(page, lambda route: route.close())


def _answer(page: Page, answer: Callable[[WebSocketRoute], Any]) -> None:
    page.route_web_socket("**/farcell/live*", answer)


def no_executor() -> Down:
    """The Jupyter server cannot start an executor."""
    why = "the embedded executor did not start within 20 s; its log is /home/ada/.local/share/farcell/executor.log"
    return Down(ErrorInfo("executor-unreachable", why, {}), 30.0)


def nothing_there() -> list[ToBrowser]:
    """An executor without GPUs, of which nobody has asked anything yet."""
    why = "no NVIDIA driver is installed here (libnvidia-ml.so.1 is missing), so no GPU can be found"
    node = api.NodeView("n-1", "laptop", "connected", True, time.time(), notes=[why])  # type: ignore[arg-type]
    return [Up(), api.Fleet(nodes=[node], whole=True)]


def busy_team() -> list[ToBrowser]:
    """Two GPU hosts, one of them out of reach, with a queue; a training in `train.ipynb`, and what others do."""
    now = time.time()
    worker = _worker("far-1", _device(0, "H100", "s-1"))
    sessions = [
        _session("s-1", "train.ipynb", worker=worker, running="r-1", variables=_VARIABLES),
        _session("s-2", "embeddings-of-all-customers-2026.ipynb", worker=_worker("far-1", _device(1, "H100", "s-2"))),
        _session("s-3", "sweep.ipynb", state="waiting", name="sweep"),
    ]
    sessions[1] = _idle(sessions[1], now + 187)
    runs = [
        _run("r-0", "s-1", "x, y = load()", "ended", now - 300, started=now - 300, ended=now - 275, outcome="ok"),
        _run(
            "r-5",
            "s-2",
            "vectors = embed(texts)",
            "ended",
            now - 250,
            started=now - 250,
            ended=now - 190,
            outcome="error",
        ),
        _run(
            "r-6",
            "s-2",
            "big = np.ones(10**12)",
            "ended",
            now - 180,
            started=now - 180,
            ended=now - 170,
            outcome="lost",
            reason=ErrorInfo("worker-died", "the worker was killed: out of memory (48.0 GiB)", {}),
        ),
        _run("r-1", "s-1", "model.fit(x, y, epochs=90, callbacks=[progress])", "running", now - 125, started=now - 125),
        _run("r-2", "s-1", "plt.plot(history)", "queued", now - 20, why="waits for the cell before it"),
        _run(
            "r-3", "s-3", "sweep(grid)", "queued", now - 60, place=1, why="waiting for an A100: 1 in use, next in line"
        ),
    ]
    nodes = [
        api.NodeView("n-1", "far-1", "connected", False, now, devices=[  # type: ignore[arg-type]
            _device(0, "H100", "s-1"), _device(1, "H100", "s-2"), _device(2, "H100"), _device(3, "H100"),
        ]),
        api.NodeView("n-2", "far-2", "unknown", False, now - 40, devices=[_device(0, "A100", "s-9", GIB * 40)]),  # type: ignore[arg-type]
        api.NodeView("n-3", "laptop", "connected", True, now, devices=[  # type: ignore[arg-type]
            api.DeviceView("d-9", "n-3", "RTX 4090", 0, simulated=True),  # type: ignore[arg-type]
        ]),
    ]  # fmt: skip
    return [Up("https://farcell.example.org"), api.Fleet(nodes, sessions, runs, whole=True)]


_VARIABLES = Variables(
    [
        Variable("history", "builtins.list"),
        Variable("model", "torch.nn.modules.container.Sequential"),
        Variable("x", "torch.Tensor", 12 * GIB, (60000, 3, 224, 224)),
        Variable("y", "numpy.ndarray", 480_000, (60000,)),
    ]
)


def _device(index: int, model: str, session: str | None = None, memory: int = 80 * GIB) -> api.DeviceView:
    return api.DeviceView(f"d-{index}", "n-1", model, index, memory, session=session)  # type: ignore[arg-type]


def _worker(node: str, *devices: api.DeviceView) -> api.WorkerView:
    return api.WorkerView("w-1", "n-1", node, list(devices))  # type: ignore[arg-type]


def _session(session: str, notebook: str, *, state: str = "ready", name: str = "", **more: Any) -> api.SessionView:
    return api.SessionView(session, name, notebook, "H100", state, time.time() - 400, **more)  # type: ignore[arg-type]


def _idle(view: api.SessionView, expires: float) -> api.SessionView:
    return api.SessionView(
        view.session, view.name, view.notebook, view.gpu, view.state, view.created, expires=expires, worker=view.worker
    )


def _run(run: str, session: str, title: str, state: str, created: float, **more: Any) -> api.RunView:
    return api.RunView(run, session, state, title, "H100", "train.ipynb", "c1", created, **more)  # type: ignore[arg-type]
