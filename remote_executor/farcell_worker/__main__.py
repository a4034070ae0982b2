"""A worker without a zygote: `python -m farcell_worker --worker-fd N --status-fd M`.

The same steps as after a fork, before anything heavy is imported. This process stays, as the supervisor's
parent and its proxy for the keeper: it ends when and as the supervisor ends, and with the keeper.
"""

import argparse
import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

import msgspec

from farcell_protocol import framing
from farcell_protocol.errors import FarcellError, WorkerNotStarted
from farcell_protocol.messages.work import Failed, Fork
from farcell_worker import isolation
from farcell_worker.descriptors import read_one_record
from farcell_worker.launch import Order, launch
from farcell_worker.surroundings import forget_start_folder, ignore_idle_interrupt, settle


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the order from the worker's socket and start that one worker."""
    parser = argparse.ArgumentParser(prog="farcell_worker")
    parser.add_argument("--worker-fd", type=int, required=True, help="the worker's end of its socket to the keeper")
    parser.add_argument("--status-fd", type=int, required=True, help="where the supervisor writes the exit status")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, ignore_idle_interrupt)
    forget_start_folder()
    for fd in (options.worker_fd, options.status_fd):
        os.set_inheritable(fd, False)
    body = read_one_record(options.worker_fd)
    if body:
        start(
            framing.unpack(body, msgspec.msgpack.Decoder(Fork), who="the keeper"), options.worker_fd, options.status_fd
        )


def start(fork: Fork, worker_fd: int, status_fd: int) -> None:
    """Launch, and wait for the supervisor."""
    isolation.die_with_parent()
    # The supervisor is to become the child of this process when the intermediate one exits.
    isolation.become_subreaper()
    try:
        supervisor = launch(Order(fork, worker_fd, status_fd, "fresh"), fresh_main)
    except FarcellError as err:
        _say_failed(fork, worker_fd, err)
        os._exit(1)
    # The keeper sees the end of these only when nobody has them open any more.
    os.close(worker_fd)
    os.close(status_fd)
    while True:
        pid, status = os.wait()
        if pid == supervisor:
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def fresh_main(order: Order) -> NoReturn:
    """The main process: put itself in order first, then import, then work."""
    notes = settle(order)
    try:
        from farcell_worker.ready import prepare

        prepared = prepare()
    except Exception as err:
        why = f"the worker could not load its kernel: {type(err).__name__}: {err}; is ipykernel installed there?"
        _say_failed(order.fork, order.worker_fd, WorkerNotStarted(why))
        os._exit(1)
    prepared.serve(order, notes)


def _say_failed(fork: Fork, worker_fd: int, err: FarcellError) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(worker_fd)) as sock:
        sock.sendall(framing.encode(Failed(fork.worker, err.info())))


if __name__ == "__main__":
    main()
