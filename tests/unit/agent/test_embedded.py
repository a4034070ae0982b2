"""The agent inside an executor's process: the in-process link, a real keeper process (the stand-in), no worker."""

import os
import signal
import sys
from pathlib import Path

import pytest

from farcell_agent.app import embedded_agent
from farcell_agent.link import LinkClosed
from farcell_protocol.errors import DataDirectoryInUse, ErrorInfo
from farcell_protocol.ids import SessionId, new_worker_id
from farcell_protocol.messages.api import Interpreter
from farcell_protocol.messages.keeping import (
    Ack,
    Forget,
    Frames,
    KeeperRefused,
    Resume,
    SendInterrupt,
    Stop,
    WorkerChanged,
)
from farcell_protocol.messages.link import AgentHello, DevicesChanged, KeeperChanged, SimulateDevices, StartWorker
from farcell_protocol.places import Places
from tests.fakes.executor_end import HERE, embedded
from tests.fakes.nodes import STAND_IN, eventually, greet_as_another_agent, keepers_of, resident_bytes
from tests.fakes.nvml import FakeNvml, gpus


async def test_it_introduces_itself_with_everything_it_has(where: Places):
    async with embedded(where, simulate="H100:2") as executor:
        hello = executor.hello
    assert (hello.name, hello.embedded, hello.workers, hello.runs) == ("here", True, [], [])
    assert [(d.model, d.index, d.simulated) for d in hello.devices] == [("H100", 0, True), ("H100", 1, True)]
    assert hello.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert hello.notes == ["the NVIDIA driver is loaded but reports no GPU"]


async def test_a_run_goes_to_the_keeper_and_its_frames_come_back(where: Places):
    async with embedded(where) as executor:
        worker = await executor.ready()
        run = await executor.execute(worker, "say:hello")
        assert await executor.text(run) == "hello"


async def test_an_interrupt_reaches_the_run(where: Places):
    async with embedded(where) as executor:
        worker = await executor.ready()
        run = await executor.execute(worker, "wait")
        await executor.link.send(SendInterrupt(worker, run))
        assert (await executor.next(Frames)).end


async def test_devices_are_claimed_all_or_none_and_the_holder_is_named(where: Places):
    async with embedded(where, simulate="H100:2") as executor:
        one, two = [device.device for device in executor.hello.devices]
        holder = await executor.ready(devices=[two])
        refused = await executor.start(devices=[one, two])
        report = (await executor.next(WorkerChanged)).report
        assert (report.worker, report.state) == (refused, "exited")
        assert report.exit is not None
        assert report.exit.error.code == "worker-not-started"
        assert report.exit.error.fields == {"holders": {two: holder}}
        await executor.ready(devices=[one])  # which the refused one did not keep


async def test_an_exit_frees_the_devices(where: Places):
    async with embedded(where, simulate="H100") as executor:
        devices = [device.device for device in executor.hello.devices]
        worker = await executor.ready(devices=devices)
        run = await executor.execute(worker, "exit")
        assert await executor.text(run) == ""
        assert (await executor.next(WorkerChanged)).report.state == "exited"
        await executor.ready(devices=devices)


async def test_a_start_sent_twice_is_one_worker(where: Places):
    async with embedded(where, simulate="H100") as executor:
        devices = [device.device for device in executor.hello.devices]
        order = StartWorker(new_worker_id(), SessionId("s"), HERE, devices)
        await executor.link.send(order)
        await executor.link.send(order)
        assert (await executor.next(WorkerChanged)).report.worker == order.worker
        run = await executor.execute(order.worker, "say:once")
        assert await executor.text(run) == "once"  # and nothing else came before


async def test_starting_a_worker_that_has_come_and_gone_says_what_became_of_it(where: Places):
    async with embedded(where, simulate="H100") as executor:
        devices = [device.device for device in executor.hello.devices]
        worker = await executor.ready(devices=devices)
        await executor.link.send(Stop(worker, 0, ErrorInfo("cancelled", "enough")))
        gone = await executor.next(WorkerChanged)
        await executor.link.send(StartWorker(worker, SessionId("s"), HERE, devices))
        assert await executor.next(WorkerChanged) == gone
        await executor.ready(devices=devices)


async def test_stopping_a_worker_whose_start_was_lost_is_answered(where: Places):
    async with embedded(where) as executor:
        worker = new_worker_id()
        await executor.link.send(Stop(worker, 0))
        report = (await executor.next(WorkerChanged)).report
        assert (report.worker, report.state) == (worker, "exited")
        assert report.exit is not None
        assert report.exit.expected


async def test_a_launch_that_the_keeper_refuses_is_a_worker_that_did_not_start(where: Places, tmp_path: Path):
    python = tmp_path / "refused"
    python.write_text("")
    python.chmod(0o755)
    async with embedded(where, simulate="H100", interpreter=sys.executable) as executor:
        devices = [device.device for device in executor.hello.devices]
        worker = new_worker_id()
        order = StartWorker(worker, SessionId("s"), Interpreter(str(python), "3.11"), devices, cwd=str(tmp_path))
        await executor.link.send(order)
        report = (await executor.next(WorkerChanged)).report
        assert report.exit is not None
        assert (report.worker, report.exit.error.code) == (worker, "worker-not-started")
        await executor.ready(devices=devices)


async def test_an_executor_that_comes_back_adopts_workers_claims_and_frames(where: Places):
    async with embedded(where, simulate="H100") as executor:
        devices = [device.device for device in executor.hello.devices]
        worker = await executor.ready(devices=devices)
        run = await executor.execute(worker, "say:kept")
        assert await executor.text(run) == "kept"
    async with embedded(where) as executor:
        assert [report.worker for report in executor.hello.workers] == [worker]
        assert [(r.run, r.last, r.ended) for r in executor.hello.runs] == [(run, 2, True)]
        assert [device.device for device in executor.hello.devices] == devices
        await executor.start(devices=devices)
        assert (await executor.next(WorkerChanged)).report.exit is not None
        await executor.link.send(Resume(run, 0))
        assert await executor.text(run) == "kept"
        await executor.link.send(Ack(run, 2))


async def test_when_the_keeper_dies_the_executor_hears_of_the_new_one_and_claims_are_free(where: Places):
    async with embedded(where, simulate="H100") as executor:
        devices = [device.device for device in executor.hello.devices]
        await executor.ready(devices=devices)
        os.kill(executor.hello.keeper_pid, signal.SIGKILL)
        changed = await executor.next(KeeperChanged)
        assert changed.keeper_pid != executor.hello.keeper_pid
        assert keepers_of(where) == [changed.keeper_pid]
        worker = await executor.ready(devices=devices)
        run = await executor.execute(worker, "say:on we go")
        assert await executor.text(run) == "on we go"


async def test_a_cut_to_a_living_keeper_is_a_new_introduction(where: Places):
    async with embedded(where) as executor:
        worker = await executor.ready()
        greet_as_another_agent(where)
        hello = await executor.next(AgentHello)
        assert hello.keeper_pid == executor.hello.keeper_pid
        assert [report.worker for report in hello.workers] == [worker]


async def test_devices_are_simulated_at_run_time_and_asking_again_adds_none(where: Places):
    async with embedded(where) as executor:
        seen = []
        for asked in ("H100", "H100", "H100:2,A100"):
            await executor.link.send(SimulateDevices(asked))
            seen.append([device.model for device in (await executor.next(DevicesChanged)).devices])
        assert seen == [["H100"], ["H100"], ["H100", "H100", "A100"]]
        await executor.link.send(SimulateDevices("cpu"))
        assert (await executor.next(KeeperRefused)).error.code == "bad-spec"


async def test_simulated_devices_are_forgotten_at_the_end_unless_a_worker_is_left(where: Places):
    async with embedded(where, simulate="H100") as executor:
        worker = await executor.ready(devices=[device.device for device in executor.hello.devices])
    async with embedded(where) as executor:
        assert [device.model for device in executor.hello.devices] == ["H100"]
        await executor.link.send(Stop(worker, 0))
        assert (await executor.next(WorkerChanged)).report.state == "exited"
        await executor.link.send(Forget(worker))
    async with embedded(where) as executor:
        assert executor.hello.devices == []


async def test_a_keeper_with_nothing_left_goes_when_the_executor_does(where: Places):
    async with embedded(where) as executor:
        assert keepers_of(where) == [executor.hello.keeper_pid]
    await eventually(lambda: not keepers_of(where), "the keeper left")


async def test_a_keeper_with_a_worker_stays_until_told_that_it_is_for_good(where: Places):
    async with embedded(where) as executor:
        await executor.ready()
    async with embedded(where) as executor:
        assert len(executor.hello.workers) == 1
        await executor.link.send(Stop(executor.hello.workers[0].worker, 0))
        await executor.next(WorkerChanged)
        executor.link.leave_for_good()
    await eventually(lambda: not keepers_of(where), "the keeper left")


async def test_real_gpus_are_given_to_a_worker_by_uuid_and_simulated_ones_hide_them(where: Places):
    library = FakeNvml(gpus(2))
    async with embedded(where, library, simulate="A100") as executor:
        first, second, simulated = [device.device for device in executor.hello.devices]
        specs = []
        for devices in ([second, first], [simulated], []):
            await executor.start(devices=devices)
            specs.append((await executor.next(WorkerChanged)).report.spec)
    assert [spec.env["CUDA_VISIBLE_DEVICES"] for spec in specs] == [
        f"{library.gpus[1].uuid},{library.gpus[0].uuid}",
        "",
        "",
    ]


async def test_a_gpu_that_another_program_uses_is_not_handed_out(where: Places):
    async with embedded(where, FakeNvml(gpus(1, pids=(4321,)))) as executor:
        (device,) = executor.hello.devices
        assert device.trouble == "in use by another program (pid 4321)"
        await executor.start(devices=[device.device])
        report = (await executor.next(WorkerChanged)).report
        assert report.exit is not None
        assert "in use by another program" in report.exit.error.message


async def test_a_worker_starts_where_and_with_what_the_client_is(where: Places, tmp_path: Path):
    async with embedded(where, worker_memory_bytes=2**30) as executor:
        theirs = Interpreter(os.path.realpath("/proc/self/exe"), "3.11")
        await executor.start(cwd=str(tmp_path), session=SessionId("s-one"), python=theirs)
        report = (await executor.next(WorkerChanged)).report
    assert (report.spec.interpreter, report.spec.cwd, report.spec.memory_bytes, report.spec.label) == (
        theirs.executable,
        str(tmp_path),
        2**30,
        "s-one",
    )
    assert report.spec.env["FARCELL_SESSION"] == "s-one"
    assert report.spec.env["FARCELL_WORKER"] == report.worker


async def test_without_such_a_folder_or_python_a_worker_gets_ours_and_a_scratch_folder_that_goes_with_it(where: Places):
    async with embedded(where) as executor:
        worker = new_worker_id()
        order = StartWorker(worker, SessionId("s"), Interpreter("/no/python", "3.11"), cwd="/no/such/folder")
        await executor.link.send(order)
        spec = (await executor.next(WorkerChanged)).report.spec
        assert (spec.interpreter, spec.cwd) == (sys.executable, str(where.scratch / worker))
        assert Path(spec.cwd).is_dir()
        await executor.link.send(Stop(worker, 0))
        await executor.next(WorkerChanged)
        await eventually(lambda: not Path(spec.cwd).exists(), "the folder was removed")


async def test_a_second_agent_on_the_same_data_is_refused_and_told_by_whom(where: Places):
    async with embedded(where):
        with pytest.raises(DataDirectoryInUse) as refused:
            async with embedded_agent(where, keeper_command=STAND_IN):
                pass
    assert refused.value.fields == {"pid": os.getpid()}


async def test_after_the_agent_left_its_link_is_closed(where: Places):
    async with embedded(where) as executor:
        pass
    with pytest.raises(LinkClosed):
        await executor.link.receive()


async def test_an_executor_that_does_not_read_costs_no_memory(where: Places, tmp_path: Path):
    async with embedded(where) as executor:
        worker = await executor.ready()
        before = resident_bytes()
        run = await executor.execute(worker, f"bytes:{256 * 2**20}")
        other = await executor.execute(worker, f"wait:{tmp_path / 'interrupted'}")
        await executor.link.send(SendInterrupt(worker, other))  # control is not held up by output
        await eventually((tmp_path / "interrupted").exists, "the other run was interrupted")
        assert resident_bytes() - before < 64 * 2**20
        received = 0
        while True:
            frames = await executor.next(Frames)
            received += sum(len(memoryview(frame)) for frame in frames.frames) if frames.run == run else 0
            if frames.end and frames.run == run:
                break
        assert received > 256 * 2**20
