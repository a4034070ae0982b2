#!/bin/sh
# Write requirements/*.txt anew from pyproject.toml: exact versions with hashes, no index host in them.
# Give `--upgrade` to take newer versions; without it what is locked stays.
set -eu
cd "$(dirname "$0")/.."
uv() { .venv/bin/python -m uv "$@"; }
lock() { # lock OUTPUT ARGUMENTS...
    out=$1; shift
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        --no-emit-index-url --output-file "requirements/$out" "$@"
}
lock run.txt pyproject.toml --extra demo --group build "$@"
lock dev.txt pyproject.toml --extra demo --extra bench --extra lab --group build --group dev --constraint requirements/run.txt "$@"
lock node.txt --group node "$@"
