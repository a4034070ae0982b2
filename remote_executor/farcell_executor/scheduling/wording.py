"""The sentences people read: why a run waits, what a session waits for, how something ended."""

from collections.abc import Collection
from datetime import UTC, datetime

from farcell_executor.model import Node, NodeState, Session
from farcell_executor.scheduling import placement
from farcell_executor.scheduling.books import Claim
from farcell_protocol.gpus import ANY, GpuSpec

# Letters whose English name begins with a vowel sound: "an H100", "an L4", "an RTX 4090", "a T4".
_AN = frozenset("AEFHILMNORSX")


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th, 21st."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def gpus(spec: GpuSpec) -> str:
    """What is asked for, as one says it: "an H100", "2 H100", "an A100 or H100", "a GPU", "the CPU"."""
    if spec.count == 0:
        return "the CPU"
    names = ["GPU" if model == ANY else model for model in spec.models]
    if spec.count > 1:
        return " or ".join(f"{spec.count} {name}{'s' if name == 'GPU' else ''}" for name in names)
    article = "an" if names[0][0] in _AN and names[0] != "GPU" else "a"
    return f"{article} {' or '.join(names)}"


def starting(node: Node | None) -> str:
    """Why a run whose worker is being started does not run yet."""
    return "starting a worker" if node is None else f"starting a worker on {node.name}"


def behind(ahead: int) -> str:
    """Why a run waits that is not the first of its session."""
    return f"behind {ahead} run{'' if ahead == 1 else 's'} of this session"


def link_down(node: Node) -> str:
    """Why nothing is heard from a node."""
    since = datetime.fromtimestamp(node.last_seen, UTC).strftime("%H:%M:%S UTC")
    return f"the link to {node.name} is down since {since}"


def waiting(spec: GpuSpec, nodes: Collection[Node], taken: Collection[Claim], place: int) -> str:
    """Why a session that has no devices yet waits; `place` is its place in line."""
    wanted = f"waiting for {gpus(spec)}"
    down = [node for node in nodes if node.state is NodeState.UNKNOWN]
    up = [node for node in nodes if node.state is NodeState.CONNECTED]
    can_use = placement.usable(spec, up)
    if not (can_use or (spec.count == 0 and up)):
        able = [node for node in down if spec.count == 0 or placement.usable(spec, [node])]
        return f"{wanted}: {link_down(able[0]) if able else 'no node has that now'}"
    in_use = sum(claim in taken for claim in can_use)
    return f"{wanted}: {in_use} in use, {ordinal(place)} in line"


def session_ended(session: Session, cause: str) -> str:
    """Why a run that waited in a session ends with it."""
    name = f"session {session.name}" if session.name else "its session"
    return f"{name} ended before the run could start: {cause}"
