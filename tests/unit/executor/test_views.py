"""What the API shows of nouns that the machine has forgotten: asked of the store once, and only for what is missing."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from farcell_executor.model import NodeState, Run, RunState, Session, SessionState, Worker, WorkerState
from farcell_executor.runlogs import RunLogs
from farcell_executor.scheduling.machine import Machine
from farcell_executor.store.memory import MemoryStore
from farcell_executor.views import Views
from farcell_protocol.ids import NodeId, SessionId, WorkerId, new_run_id
from tests.unit.executor.scheduling.fleet import a_node, request

LONG_AGO = [WorkerId(f"w{n}") for n in range(5)]


class AskedStore(MemoryStore):
    """Notes which workers it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[set[WorkerId]] = []

    async def find_workers(self, workers: Collection[WorkerId]) -> list[Worker]:
        self.asked.append(set(workers))
        return await super().find_workers(workers)


def ended(worker: str) -> Run:
    asked = request(new_run_id())
    return Run(asked.run, "ada", SessionId("s"), asked, RunState.ENDED, 1.0, worker=WorkerId(worker), outcome="ok")


@pytest.fixture
async def store() -> AskedStore:
    made = AskedStore()
    gone = [Worker(one, SessionId("s"), NodeId("gpu-1"), (), WorkerState.GONE, 1.0, pid=7) for one in LONG_AGO]
    node = a_node("gpu-1")
    await made.save([*gone, replace(node, state=NodeState.GONE, name="the big one")])
    return made


@pytest.fixture
def views(store: AskedStore, tmp_path: Path) -> Views:
    return Views(Machine(), store, RunLogs(tmp_path))


async def test_only_workers_that_are_not_known_are_asked_for(store: AskedStore, views: Views):
    await views.recall([ended("w0")])
    await views.recall([ended("w0"), ended("w1"), ended("w1")])
    await views.recall([ended("w0"), ended("w1")])
    assert store.asked == [{"w0"}, {"w1"}]


async def test_a_worker_that_the_store_does_not_have_is_not_asked_for_again(store: AskedStore, views: Views):
    await views.recall([ended("w-pruned")])
    await views.recall([ended("w-pruned")])
    assert store.asked == [{"w-pruned"}]
    assert views.run(ended("w-pruned")).worker is None


async def test_a_run_names_the_node_it_ran_on_though_that_was_given_up(views: Views):
    run = ended("w3")
    await views.recall([run])
    shown = views.run(run).worker
    assert shown is not None
    assert (shown.node_name, shown.pid) == ("the big one", 7)


async def test_an_ended_session_names_its_worker(views: Views):
    session = Session(
        SessionId("s"),
        "ada",
        "k",
        "s",
        "n.ipynb",
        "cpu",
        "3.11.7",
        False,
        60.0,
        SessionState.ENDED,
        1.0,
        worker=WorkerId("w2"),
    )
    await views.recall([session])
    shown = views.session(session).worker
    assert shown is not None
    assert shown.worker == "w2"
