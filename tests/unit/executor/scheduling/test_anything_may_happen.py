"""The machine against random events: submissions, cancels, crashes, cuts and restarts, in any order.

After every event its invariants hold; no device is used twice in fact, no run is handed to two workers, no ended
run changes. In the end everything that was submitted has ended, once, and nothing is left.
"""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from farcell_executor.model import RunState, SessionState, WorkerState
from farcell_executor.scheduling import events
from farcell_protocol.errors import Cancelled, DiskFull, SessionEnded
from farcell_protocol.ids import RunId, SessionId, comms_run_of
from tests.unit.executor.scheduling.far_side import DEVICES, FarSide
from tests.unit.executor.scheduling.fleet import request

NODES = st.sampled_from(sorted(DEVICES))
# Rare, as in life: otherwise hardly a run would live long enough to be handed over.
CRASH = st.sampled_from([False] * 19 + [True])
DISASTERS = st.sampled_from(
    ["slow"] * 6 + ["link"] * 6 + ["executor"] * 3 + ["keeper", "reboot", "given up"] + ["keeper lost for a moment"] * 3
)
CANCELLED = Cancelled("somebody cancelled it").info()


class Anything(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.far = FarSide()
        for node in DEVICES:
            self.far.connect(node)

    # ---- what users do ---------------------------------------------------------------------------

    @rule(
        gpu=st.sampled_from(["cpu", "cpu", "", "H100", "H100", "H100:2", "H100:3", "T4", "T4,H100", "B200", "H100 "]),
        where=st.sampled_from([{}, {"notebook": "b"}, {"session": "s"}, {"once": True}]),
        limit=st.sampled_from([None, 5.0]),
        owner=st.sampled_from(["ada", "bob"]),
        crash=CRASH,
    )
    def submit(self, gpu: str, where: dict, limit: float | None, owner: str, crash: bool) -> None:
        run = f"r{len(self.far.submitted)}"
        self.far.submitted.append(run)
        asked = request(run, gpu, timeout_s=limit, scaledown_window_s=30.0, **where)
        self.far.feed(events.RunSubmitted(owner, asked), crash=crash)

    @precondition(lambda self: self.far.submitted)
    @rule(data=st.data())
    def submit_again(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from(self.far.submitted))
        if run not in self.far.ended:
            before = dict(self.far.machine.runs)
            self.far.feed(events.RunSubmitted("ada", request(run, "cpu")))
            assert dict(self.far.machine.runs) == before

    @precondition(lambda self: self.far.machine.runs)
    @rule(data=st.data(), grace_s=st.sampled_from([0.0, 2.0, 10.0]), crash=CRASH)
    def cancel(self, data: st.DataObject, grace_s: float, crash: bool) -> None:
        run = data.draw(st.sampled_from(sorted(self.far.machine.runs)))
        self.far.feed(events.RunStopRequested(run, CANCELLED, grace_s), crash=crash)

    @precondition(lambda self: self.far.machine.runs)
    @rule(data=st.data(), crash=CRASH)
    def interrupt(self, data: st.DataObject, crash: bool) -> None:
        run = data.draw(st.sampled_from(sorted(self.far.machine.runs)))
        self.far.feed(events.RunInterruptRequested(run), crash=crash)

    @rule(data=st.data(), grace_s=st.sampled_from([0.0, 5.0]), crash=CRASH)
    def stop_session(self, data: st.DataObject, grace_s: float, crash: bool) -> None:
        known = sorted({SessionId("s-unknown"), *self.far.machine.sessions})
        session = data.draw(st.sampled_from(known))
        reason = SessionEnded("stopped").info()
        self.far.feed(events.SessionStopRequested(session, reason, grace_s), crash=crash)

    @precondition(lambda self: self.far.machine.sessions)
    @rule(data=st.data(), crash=CRASH, how_often=st.integers(0, 9))
    def show_widgets(self, data: st.DataObject, crash: bool, how_often: int) -> None:
        """Comms are asked for any number of times, rarely also of a session that is not ready, or by somebody else."""
        session = self.a_session(data)
        found, run = self.far.machine.sessions[session], comms_run_of(session)
        owner = "eve" if how_often == 9 else found.owner
        is_early = found.state is not SessionState.READY and how_often < 8
        if is_early or run in self.far.ended:  # of those the executor asks its store after a restart
            return
        self.far.submitted.append(run)
        self.far.feed(events.RunSubmitted(owner, request(run, kind="comms", expects=session)), crash=crash)

    @precondition(lambda self: self.far.machine.sessions)
    @rule(data=st.data(), crash=CRASH)
    def move_a_widget(self, data: st.DataObject, crash: bool) -> None:
        session = self.a_session(data)
        before = self.far.machine.sessions[session]
        self.far.feed(events.SessionUsed(session), crash=crash)
        after = self.far.machine.sessions.get(session, before)
        assert (after.idle_since is None) == (before.idle_since is None), "it makes no session busy, and none idle"

    def a_session(self, data: st.DataObject) -> SessionId:
        return data.draw(st.sampled_from(sorted(self.far.machine.sessions)))

    # ---- what time and disks do ------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.0, 1.0, 6.0, 40.0, 100.0]), crash=CRASH)
    def time_passes(self, seconds: float, crash: bool) -> None:
        self.far.now += seconds
        self.far.feed(events.Ticked(), crash=crash)

    @precondition(lambda self: self.far.machine.runs)
    @rule(data=st.data(), crash=CRASH, how_often=st.integers(0, 9))
    def the_disk_is_full(self, data: st.DataObject, crash: bool, how_often: int) -> None:
        if how_often < 9:
            return
        run = data.draw(st.sampled_from(sorted(self.far.machine.runs)))
        self.far.feed(events.LogFailed(run, DiskFull("full").info()), crash=crash)

    # ---- what workers do -------------------------------------------------------------------------

    def workers(self, *states: str) -> list[tuple[str, str]]:
        keepers = self.far.keepers.items()
        return [(node, one) for node, keeper in keepers for one, state in keeper.workers.items() if state in states]

    def executing(self) -> list[tuple[str, str]]:
        keepers = self.far.keepers.items()
        return [(node, run) for node, keeper in keepers for run in keeper.runs if run not in keeper.ends]

    @precondition(lambda self: self.workers("starting"))
    @rule(data=st.data())
    def a_worker_becomes_ready(self, data: st.DataObject) -> None:
        self.far.become_ready(*data.draw(st.sampled_from(self.workers("starting"))))

    @precondition(lambda self: self.workers("starting", "ready"))
    @rule(data=st.data())
    def a_worker_crashes(self, data: st.DataObject) -> None:
        self.far.crash_worker(*data.draw(st.sampled_from(self.workers("starting", "ready"))))

    @precondition(lambda self: self.executing())
    @rule(data=st.data(), outcome=st.sampled_from(["ok", "error"]))
    def a_run_ends(self, data: st.DataObject, outcome: str) -> None:
        self.far.end_run(*data.draw(st.sampled_from(self.executing())), outcome)

    @rule(wait_s=st.sampled_from([0.0, 0.0, 1.0, 6.0]))
    def everything_goes_well_for_a_while(self, wait_s: float) -> None:
        for node in DEVICES:
            if not self.far.connected[node]:
                self.far.connect(node)
            self.far.arrive(node)
        for node, worker in self.workers("starting"):
            self.far.become_ready(node, worker)
        self.far.now += wait_s
        self.far.feed(events.Ticked())

    # ---- what nodes and executors do -------------------------------------------------------------

    @rule(node=NODES, crash=CRASH)
    def a_node_connects(self, node: str, crash: bool) -> None:
        self.far.connect(node, crash=crash)

    @rule(node=NODES, what=DISASTERS)
    def a_disaster_happens(self, node: str, what: str) -> None:
        match what:
            case "link":
                self.far.disconnect(node)
            case "executor":
                self.far.restart()
            case "keeper":
                self.far.kill_keeper(node)
            case "reboot":
                self.far.reboot(node)
            case "given up":
                self.far.give_up(node)
            case "slow":
                self.far.slow[node] = True
            case "keeper lost for a moment":
                if self.far.connected[node]:
                    self.far.introduce(node)

    @rule(node=NODES, gpu=st.sampled_from(["H100", "H100:2", "H100:3"]), how_often=st.integers(0, 4))
    def a_keeper_dies_while_a_start_is_on_its_way(self, node: str, gpu: str, how_often: int) -> None:
        if how_often == 4:
            self.far.slow[node] = True
            self.submit(gpu, {"once": True}, None, "ada", crash=False)
            self.far.kill_keeper(node)

    # ---- what must hold --------------------------------------------------------------------------

    @invariant()
    def memory_and_store_agree(self) -> None:
        for kind in (self.far.machine.runs, self.far.machine.sessions, self.far.machine.workers):
            for noun in kind.values():
                assert self.far.store[noun.id] == noun

    @invariant()
    def everybody_who_waits_is_told_why(self) -> None:
        for run in self.far.machine.runs.values():
            if run.state is not RunState.RUNNING and not run.ending:
                assert run.why

    def teardown(self) -> None:
        far = self.far
        for node in DEVICES:
            far.connect(node)
        for _ in range(2 * len(far.submitted) + 4):
            for node, worker in self.workers("starting"):
                far.become_ready(node, worker)
            for node, run in self.executing():
                far.end_run(node, run, "ok")
            far.now += 61.0
            far.feed(events.Ticked())
        assert dict(far.machine.runs) == dict(far.machine.sessions) == dict(far.machine.workers) == {}
        assert far.ended == {RunId(run) for run in far.submitted}
        assert all(holder is None for _, holder in far.machine.devices())
        assert self.workers("starting", "ready") == []
        finals = {noun.state for noun in far.store.values() if noun.id not in DEVICES}
        assert finals <= {RunState.ENDED, SessionState.ENDED, WorkerState.GONE}


Anything.TestCase.settings = settings(
    max_examples=250,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
test_anything_may_happen = Anything.TestCase
