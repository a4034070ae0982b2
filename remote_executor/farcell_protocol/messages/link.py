"""Executor and agent: one websocket, dialled by the agent, or a pair of queues inside one process.

Most of it is the keeper's own vocabulary passed on (`keeping`): the agent adds devices and decides how a
worker is started. After a reconnect the agent introduces itself with everything it has, and the
executor answers with what it wants: nothing is assumed to have arrived.
"""

import msgspec

from farcell_protocol.ids import DeviceId, NodeId, SessionId, WorkerId
from farcell_protocol.messages.api import Interpreter
from farcell_protocol.messages.keeping import (
    Ack,
    Execute,
    Forget,
    Frames,
    KeeperRefused,
    Resume,
    RunReport,
    SendInterrupt,
    Stop,
    Tell,
    WorkerChanged,
    WorkerReport,
)

# ---- to the agent -------------------------------------------------------------------------------


class StartWorker(msgspec.Struct, frozen=True, tag="start-worker", omit_defaults=True):
    """Claim these devices, all or none, and start a worker for this session on them."""

    worker: WorkerId
    session: SessionId
    python: Interpreter
    devices: list[DeviceId] = []
    cwd: str = ""


class SimulateDevices(msgspec.Struct, frozen=True, tag="simulate"):
    """Declare simulated devices, in the form of `--simulate H100:2`; the answer is a `DevicesChanged`."""

    gpus: str


class AgentRefused(msgspec.Struct, frozen=True, tag="agent-refused"):
    """The executor will not have this agent (version, token); it says why and closes."""

    code: str
    message: str


ToAgent = StartWorker | SimulateDevices | AgentRefused | Execute | Tell | Resume | Ack | SendInterrupt | Stop | Forget

# ---- from the agent -----------------------------------------------------------------------------


class DeviceReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """One device of a node. `trouble` says why it must not be handed out, empty when healthy."""

    device: DeviceId
    model: str
    index: int
    memory_bytes: int | None = None
    simulated: bool = False
    trouble: str = ""


class AgentHello(msgspec.Struct, frozen=True, tag="agent-hello", omit_defaults=True):
    """The first message on every connection: who this is, what it has, and what runs there now.

    A node is its `node` id with its `boot_id`, never an address. `keeper_pid` and `keeper_started`
    name the keeper: another one than before means that the earlier one's workers are gone."""

    protocol: int
    oldest: int
    node: NodeId
    boot_id: str
    name: str
    embedded: bool
    python: str
    keeper_pid: int
    keeper_started: float
    devices: list[DeviceReport]
    workers: list[WorkerReport]
    runs: list[RunReport]
    notes: list[str] = []


class DevicesChanged(msgspec.Struct, frozen=True, tag="devices"):
    """All devices of the node, after a change."""

    devices: list[DeviceReport]


class KeeperChanged(msgspec.Struct, frozen=True, tag="keeper-changed"):
    """The keeper died and another was started: every worker and unfinished run of the old one is lost.
    Frames it had spooled are gone as well, but for those that were sent."""

    keeper_pid: int
    keeper_started: float


FromAgent = AgentHello | DevicesChanged | KeeperChanged | WorkerChanged | Frames | KeeperRefused
