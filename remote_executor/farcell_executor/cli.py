"""The `farcell` command: start an executor or an agent, look at what runs, stop it. Slow imports wait inside."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from farcell_executor.calls import Caller, find
from farcell_executor.lock import IN_USE
from farcell_executor.settings import DEFAULT_PORT
from farcell_host.rest import segment
from farcell_protocol.errors import BadRequest, DataDirectoryInUse, FarcellError
from farcell_protocol.ids import NodeId
from farcell_protocol.places import Places, data_directory, places

app = typer.Typer(
    help="Run notebook cells on GPUs somewhere else.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)
tokens = typer.Typer(help="Make, list and revoke tokens.", no_args_is_help=True)
app.add_typer(tokens, name="token")
nodes = typer.Typer(help="List GPU hosts, and let go of those that will not come back.", no_args_is_help=True)
app.add_typer(nodes, name="node")

Data = Annotated[Path | None, typer.Option(help="the data directory, else FARCELL_DATA or the usual one")]


def main() -> None:
    """Run the command that the arguments name; an error of ours is one sentence and its reason code."""
    try:
        app(prog_name="farcell")
    except FarcellError as err:
        print(f"farcell: {err} ({err.code})", file=sys.stderr)
        sys.exit(IN_USE if isinstance(err, DataDirectoryInUse) else 1)


@app.command()
def up(
    host: Annotated[str, typer.Option(help="a loopback address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="the port; 0 takes a free one")] = DEFAULT_PORT,
    socket: Annotated[bool, typer.Option("--socket", help="listen on the Unix socket only")] = False,
    simulate: Annotated[str, typer.Option(help="simulated devices: H100:2,A100")] = "",
    data: Data = None,
) -> None:
    """Run an executor in the foreground, until Ctrl-C. Its workers outlive it."""
    import logging
    from dataclasses import replace

    from farcell_agent.keeper import dismiss_keeper, start_keeper
    from farcell_executor.daemon import KeeperControl, run_executor
    from farcell_executor.settings import settings_from
    from farcell_host.directories import private_directory

    settings = settings_from(
        os.environ,
        Path.home(),
        os.getuid(),
        interpreter=sys.executable,
        data=str(data) if data else None,
        simulate=simulate or None,
    )
    settings = replace(settings, host=host, port=None if socket else port, idle_exit_s=None)
    private_directory(settings.places.data)
    private_directory(settings.places.runtime)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)

    def ready(address: str) -> None:
        print(f"The executor listens at {address}\nAn admin's token is in {settings.places.token_file}", flush=True)

    where = settings.places
    keeper = KeeperControl(lambda: start_keeper(where, settings.interpreter), lambda: dismiss_keeper(where))
    run_executor(settings, keeper, ready)


@app.command()
def status(data: Data = None) -> None:
    """What there is and what runs."""
    from farcell_executor.overview import show

    show(_caller(data))


@app.command()
def doctor(data: Data = None) -> None:
    """Check this host; each line says what to do. Exits with 1 if something would break a run."""
    from farcell_executor.doctor import examine, show

    findings = examine(_places(data))
    show(findings)
    if any(finding.verdict == "fail" for finding in findings):
        raise typer.Exit(1)


@app.command()
def logs(
    run: Annotated[str, typer.Argument(help="the run's id, as its cell shows it")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on until it ends")] = False,
    data: Data = None,
) -> None:
    """Print what a run printed, byte for byte."""
    for piece in _caller(data).stream(
        "GET", f"/runs/{segment(run)}/output?follow={str(follow).lower()}", timeout_s=None
    ):
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


@app.command()
def cancel(
    run: str, grace_s: Annotated[float, typer.Option(help="seconds between the steps")] = 2.0, data: Data = None
) -> None:
    """Stop a run: an interrupt first, then by force."""
    _caller(data).ask("POST", f"/runs/{segment(run)}/cancel", Any, {"grace_s": grace_s})


@app.command()
def stop(
    leave_workers: Annotated[
        bool,
        typer.Option("--leave-workers", help="end the executor only: the next one adopts what runs"),
    ] = False,
    data: Data = None,
) -> None:
    """Stop the executor with its workers and their keeper, and say what was ended.

    Waits until they have gone: 30 s for the workers, 20 s for the executor, 10 s for the keeper. What is still
    there then is named with its process id, and with how to end it; the exit status is 1. Workers that
    outlived a killed executor are ended as well.
    """
    from farcell_agent.keeper import dismiss_keeper
    from farcell_executor.farewell import stop_here, stop_there

    if data is None and os.environ.get("FARCELL_URL"):
        print(stop_there(_caller(data), leave_workers=leave_workers))
    else:
        print(stop_here(_places(data), leave_workers=leave_workers, dismiss_keeper=dismiss_keeper))


@app.command()
def agent(
    join: Annotated[str, typer.Option(help="the executor's address: http://HOST:PORT")],
    token_file: Annotated[
        Path | None, typer.Option(help="a file with an agent's token, else FARCELL_JOIN_TOKEN")
    ] = None,
    simulate: Annotated[str, typer.Option(help="simulated devices: H100:2,A100")] = "",
    name: Annotated[str, typer.Option(help="what to call this host")] = "",
    data: Data = None,
) -> None:
    """Be the agent of this GPU host for an executor, until Ctrl-C. Workers outlive it."""
    import logging

    from farcell_agent.app import run_agent

    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    run_agent(join, token_file=token_file, data=data, simulate=simulate, name=name)


@tokens.command("create")
def create_token(
    user: Annotated[str, typer.Option(help="whose runs it may touch")],
    scope: Annotated[str, typer.Option(help="user, admin or agent")] = "user",
    note: str = "",
    node: Annotated[str, typer.Option(help="the node an agent's token is for, else the first that uses it")] = "",
    quiet: Annotated[bool, typer.Option("--quiet", help="print the token and nothing else")] = False,
    data: Data = None,
) -> None:
    """Make a token and print it, once."""
    from farcell_protocol.messages.api import TokenRequest, TokenView

    if scope not in ("user", "admin", "agent"):
        raise BadRequest(f"--scope {scope}: write user, admin or agent", scope=scope)
    asked = TokenRequest(user, scope, note, node=NodeId(node) if node else None)  # type: ignore[arg-type]
    made = _caller(data).ask("POST", "/tokens", TokenView, asked)
    print(
        made.secret if quiet else f"Token {made.token} for {made.user} ({made.scope}), shown this once:\n{made.secret}"
    )


@tokens.command("list")
def list_tokens(data: Data = None) -> None:
    """All tokens, without what it takes to use them."""
    from farcell_protocol.messages.api import TokenView

    for token in _caller(data).ask("GET", "/tokens", list[TokenView]):
        state = "revoked" if token.revoked else "good"
        print(f"{token.token}  {token.user:20} {token.scope:6} {state:8} {token.node or '':14} {token.note}")


@tokens.command("revoke")
def revoke_token(token: str, data: Data = None) -> None:
    """Make a token worthless, on open sockets too."""
    from farcell_protocol.messages.api import TokenView

    print(f"revoked {_caller(data).ask('DELETE', f'/tokens/{segment(token)}', TokenView).token}")


@nodes.command("list")
def list_nodes(data: Data = None) -> None:
    """All GPU hosts: the id, the name, the devices, and whether the host answers."""
    from farcell_executor.nodes import listing

    for line in listing(_caller(data)):
        print(line)


@nodes.command("remove")
def remove_node(
    node: Annotated[str, typer.Argument(help="its id or its name, see `farcell node list`")],
    force: Annotated[
        bool, typer.Option("--force", help="also one whose agent is connected: what runs there is ended")
    ] = False,
    data: Data = None,
) -> None:
    """Let go of a GPU host: its runs are lost at once, and its agent's token opens nothing any more.

    One that is only out of reach is given up by itself when the grace is over, see FARCELL_NODE_GRACE_S.
    """
    from farcell_executor.nodes import let_go

    print(let_go(_caller(data), node, force=force))


def _places(data: Path | None) -> Places:
    chosen = data.absolute() if data else data_directory(os.environ, Path.home())
    return places(chosen, os.environ, os.getuid())


def _caller(data: Path | None) -> Caller:
    url = None if data else os.environ.get("FARCELL_URL")
    return find(_places(data), url=url, token=os.environ.get("FARCELL_TOKEN") if url else None)


if __name__ == "__main__":
    main()
