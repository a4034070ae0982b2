"""`python -m farcell_agent --join URL`: the separate agent, also reached as `farcell agent`."""

import argparse
import logging
import sys
from pathlib import Path

from farcell_agent.app import run_agent
from farcell_protocol.errors import FarcellError


def main() -> int:
    """Run until told to leave; 1 and a sentence on standard error when it cannot begin."""
    parser = argparse.ArgumentParser(prog="farcell agent", description="Offer this host's GPUs to an executor.")
    parser.add_argument("--join", required=True, metavar="URL", help="http://host:port, wss://host or unix:///path")
    parser.add_argument("--token-file", type=Path, help="a file with the token; else FARCELL_JOIN_TOKEN")
    parser.add_argument("--data", type=Path, help="this agent's own data directory")
    parser.add_argument("--simulate", default="", metavar="GPUS", help="declare simulated GPUs, like H100:2,A100")
    parser.add_argument("--name", default="", help="what people call this node; the host's name")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    try:
        run_agent(
            options.join,
            token_file=options.token_file,
            data=options.data,
            simulate=options.simulate,
            name=options.name,
        )
    except FarcellError as err:
        print(f"farcell agent: {err}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
