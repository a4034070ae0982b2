"""The pre-warmed parent of workers: `python -m farcell_worker.zygote --fd N`.

It imports what every worker needs, builds the kernel, runs a few cells, and then only forks. It exits when the
keeper closes the socket; the workers it made do not notice.
"""

import argparse
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec

from farcell_protocol import framing
from farcell_protocol.messages.work import Fork, Forked, ForkRefused, FromZygote, ZygoteReady
from farcell_worker.descriptors import receive_with_descriptors
from farcell_worker.launch import Main, Order, launch
from farcell_worker.purity import why_impure
from farcell_worker.surroundings import forget_start_folder, ignore_idle_interrupt


def main(arguments: Sequence[str] | None = None) -> None:
    """Warm up, say so, and fork on request until the keeper goes."""
    parser = argparse.ArgumentParser(prog="farcell_worker.zygote")
    parser.add_argument("--fd", type=int, required=True, help="the socket to the keeper")
    fd: int = parser.parse_args(arguments).fd
    signal.signal(signal.SIGINT, ignore_idle_interrupt)
    os.set_inheritable(fd, False)
    forget_start_folder()
    worker_main = warm_up()
    serve(socket.socket(fileno=fd), worker_main)


def warm_up() -> Main:
    """Import, build and exercise everything that may exist before a fork; returns what a worker then runs."""
    from farcell_worker.ready import prepare

    prepared = prepare()
    prepared.transport.warm_up()
    gc.collect()
    # Objects of the parent are not looked at again, so their pages stay shared.
    gc.freeze()
    return prepared.main


def serve(sock: socket.socket, worker_main: Main) -> None:
    """Answer each `Fork`, until the socket closes."""
    decoder = msgspec.msgpack.Decoder(Fork)
    with suppress(OSError):
        _say(sock, ZygoteReady(os.getpid(), ".".join(map(str, sys.version_info[:3]))))
        for body, fds in receive_with_descriptors(sock):
            fork = framing.unpack(body, decoder, who="the keeper")
            try:
                _say(sock, answer_fork(fork, fds, sock.fileno(), worker_main))
            finally:
                for fd in fds:
                    os.close(fd)


def answer_fork(
    fork: Fork, fds: list[int], own_fd: int, worker_main: Main, impure: Callable[[list[int]], str] = why_impure
) -> FromZygote:
    """Fork if the zygote rule holds; the answer for the keeper either way."""
    why = "the two descriptors did not come with it" if len(fds) != 2 else impure([own_fd, *fds])
    if why:
        return ForkRefused(fork.worker, why)
    try:
        return Forked(fork.worker, launch(Order(fork, fds[0], fds[1], "fork"), worker_main))
    except Exception as err:
        return ForkRefused(fork.worker, str(err))


def _say(sock: socket.socket, message: FromZygote) -> None:
    sock.sendall(framing.encode(message))


if __name__ == "__main__":
    main()
