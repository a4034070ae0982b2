"""What the local kernel's comm manager has of far comms, so that front ends find them and can speak to them."""

from collections.abc import Callable
from typing import Any

CONTROL = "jupyter.widget.control"


class StandIn:
    """What the manager has of one far comm. Front ends' messages to it may come in any thread."""

    primary = False

    def __init__(self, comm_id: str, target_name: str, forward: Callable[[str, dict[str, Any]], None]) -> None:
        self.comm_id = comm_id
        self.target_name = target_name
        self._closed = False  # the manager sets it
        self._forward = forward

    def handle_msg(self, message: dict[str, Any]) -> None:
        """The front end says something to the comm."""
        self._forward("comm_msg", message)

    def handle_close(self, message: dict[str, Any]) -> None:
        """The front end closes it; the manager has forgotten it already."""
        self._forward("comm_close", message)


class _Control:
    """Stands before the local ipywidgets where a front end asks for the states of all widgets at once."""

    def __init__(self, manager: Any, local: Callable[[Any, dict[str, Any]], None]) -> None:
        self._manager = manager
        self._local = local

    def __call__(self, comm: Any, message: dict[str, Any]) -> None:
        if any(isinstance(one, StandIn) for one in self._manager.comms.values()):
            comm.close()
        else:
            self._local(comm, message)


def register(manager: Any, stand_in: StandIn) -> None:
    """List a far comm. A page that is loaded again asks for all widgets at once, and the local ipywidgets would answer
    with its own; refused that, front ends ask each comm that is listed, as they do where there is no ipywidgets."""
    manager.register_comm(stand_in)
    local = manager.targets.get(CONTROL)
    if local is not None and not isinstance(local, _Control):
        manager.register_target(CONTROL, _Control(manager, local))


def unregister(manager: Any, stand_in: StandIn) -> None:
    """List it no more, unless its id is another's by now."""
    if manager.comms.get(stand_in.comm_id) is stand_in:
        manager.unregister_comm(stand_in)
