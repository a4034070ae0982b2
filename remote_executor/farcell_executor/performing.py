"""Does what the machine asks for, besides saving: messages to the agents, ends for the logs."""

import logging
from collections.abc import Callable
from typing import Protocol

from farcell_executor.checkpoints import Checkpoint
from farcell_executor.model import RunState
from farcell_executor.runlogs import RunLogs
from farcell_executor.scheduling import actions, events
from farcell_executor.scheduling.machine import Machine
from farcell_protocol.errors import ErrorInfo, FarcellError
from farcell_protocol.ids import NodeId
from farcell_protocol.messages import keeping, link

log = logging.getLogger(__name__)


class Nodes(Protocol):
    """The links to the agents, as far as the driver needs them."""

    def send(self, node: NodeId, message: link.ToAgent) -> bool:
        """Have a message sent to that node's agent, without waiting for it; False when it is not connected.

        An agent that is not connected will say hello again.
        """


class Performer:
    """Performs one action at a time; news of it goes to `post`."""

    def __init__(
        self,
        machine: Machine,
        logs: RunLogs,
        nodes: Nodes,
        post: Callable[[events.Event], None],
        at: Checkpoint,
    ) -> None:
        self._machine = machine
        self._logs = logs
        self._nodes = nodes
        self._post = post
        self._at = at

    def perform(self, action: actions.Action) -> None:
        """Do it; what cannot be done ends for that reason rather than wait for ever."""
        try:
            self._act(action)
        except Exception as err:
            log.exception("could not %s", type(action).__name__)
            self._action_failed(action, err)

    def _act(self, action: actions.Action) -> None:
        match action:
            case actions.StartWorker():
                self._start_worker(action)
            case actions.Dispatch():
                self._dispatch(action)
            case actions.Resume(node, run):
                self._nodes.send(node, keeping.Resume(run, self._logs.log(run).last))
            case actions.Interrupt(node, worker, run):
                self._nodes.send(node, keeping.SendInterrupt(worker, run))
            case actions.StopWorker(node, worker, grace_s, reason):
                self._nodes.send(node, keeping.Stop(worker, grace_s, reason))
            case actions.ForgetWorker(node, worker):
                self._nodes.send(node, keeping.Forget(worker))
            case actions.EndLog(run, outcome, reason):
                end = self._logs.end_with(run, outcome, reason)
                self._post(events.RunEnded(run, end.outcome, end.reason))
            case actions.Save():
                raise AssertionError("saves are stored together")

    def _start_worker(self, action: actions.StartWorker) -> None:
        message = link.StartWorker(
            worker=action.worker,
            session=action.session,
            python=action.python,
            devices=list(action.devices),
            cwd=action.cwd,
        )
        self._send("start-worker", action.node, message)

    def _dispatch(self, action: actions.Dispatch) -> None:
        run = self._machine.run(action.run)
        if run is None or run.state is RunState.ENDED:
            return
        message = keeping.Execute(action.worker, action.run, run.request.payload, run.aside)
        self._send("dispatch", action.node, message)

    def _send(self, step: str, node: NodeId, message: link.ToAgent) -> None:
        self._at(f"before-{step}")
        self._nodes.send(node, message)
        self._at(f"after-{step}")

    def _action_failed(self, action: actions.Action, err: Exception) -> None:
        """Stop what cannot be done for a reason, rather than have it wait for ever."""
        reason = fault(err)
        match action:
            case actions.StartWorker(session=session):
                self._post(events.SessionStopRequested(session, reason, 0.0))
            case actions.Dispatch(run=run):
                self._post(events.RunRefused(run, reason))
            case actions.EndLog(run, outcome, why):
                self._post(events.RunEnded(run, outcome, why))


def fault(err: Exception) -> ErrorInfo:
    """Why something could not be done, as it is told to whoever waits for it."""
    return err.info() if isinstance(err, FarcellError) else FarcellError(f"the executor failed: {err!r}").info()
