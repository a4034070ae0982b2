#!/bin/sh
# Make .venv hold what one of requirements/*.txt locks, and farcell itself (editable).
#
#   scripts/venv.sh run    what running needs (make demo)
#   scripts/venv.sh dev    also what checking, testing and measuring need (make setup)
#
# Does nothing when .venv already holds it. PYTHON chooses the interpreter; pip's own settings and the
# usual proxy variables hold.
set -eu
which=${1:?run or dev}
cd "$(dirname "$0")/.."

fits() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    # What somebody chose is used or refused, never replaced.
    if [ -n "${PYTHON:-}" ]; then
        set -- "$PYTHON"
    else
        set -- python3 python3.13 python3.12 python3.11 /usr/bin/python3
    fi
    for candidate; do
        if fits "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    sudo="sudo "
    if [ "$(id -u)" = 0 ]; then sudo=""; fi
    echo "farcell needs Python 3.11 or newer with its venv module${PYTHON:+, which PYTHON=$PYTHON is not};" \
        "on Debian or Ubuntu type: ${sudo}apt-get install python3 python3-venv" >&2
    exit 1
}

if [ -e .venv ] && ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    rm -rf .venv # moved here from elsewhere, or its Python is gone, or it was never finished
fi
if [ ! -e .venv ]; then
    python=$(find_python)
    "$python" -m venv .venv
fi

# A development environment holds everything a running one needs.
wanted=$(cat pyproject.toml "requirements/$which.txt" scripts/venv.sh | cksum)
for made in "$which" dev; do
    if [ "$(cat ".venv/farcell-$made" 2>/dev/null)" = "$(cat pyproject.toml "requirements/$made.txt" scripts/venv.sh | cksum) $PWD" ]; then
        exit 0
    fi
done

echo "Installing what '$which' needs into .venv ..." >&2
# Where a user's pip installs by default (PIP_USER, `user = true`) is not this environment.
pip_install() { .venv/bin/python -m pip --disable-pip-version-check install --quiet --no-user "$@"; }
pip_install --require-hashes -r "requirements/$which.txt"
# The build tools are locked with the rest, so nothing unlocked is fetched for building farcell itself.
# The browser part is scripts/browser.sh's; its link goes first, since pip would remove what lies behind it.
if [ -L .venv/share/jupyter/labextensions/@farcell/labextension ]; then
    rm .venv/share/jupyter/labextensions/@farcell/labextension
fi
SKIP_JUPYTER_BUILDER=1 pip_install --no-deps --no-build-isolation --editable .
echo "$wanted $PWD" >".venv/farcell-$which"
