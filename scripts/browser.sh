#!/bin/sh
# Build the browser part, if what it is made of has changed, and show it to .venv's JupyterLab.
#
#   scripts/browser.sh           for development: with a source map
#   scripts/browser.sh prod      as it is released
#
# Needs `scripts/venv.sh dev` before it. Node comes with .venv where the machine has none that is new enough.
set -eu
how=${1:-dev}
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
built=kernel_gateway/farcell_jupyter/labextension
stamp=labextension/lib/.built # not in $built, all of which goes into the wheel
shown=.venv/share/jupyter/labextensions/@farcell/labextension

if ! python -c 'import sys, hatch_build; sys.exit(not hatch_build.node_is_good())'; then
    python -m pip --disable-pip-version-check install --quiet --no-user --require-hashes -r requirements/node.txt
fi

wanted=$(cat package.json yarn.lock .yarnrc.yml | cksum)
if [ "$(cat node_modules/.farcell 2>/dev/null)" != "$wanted" ]; then
    echo "Installing what the browser part is built with into node_modules ..." >&2
    jlpm install --immutable >node_modules.log || { cat node_modules.log >&2; exit 1; }
    rm node_modules.log
    echo "$wanted" >node_modules/.farcell
fi

sources=$(find labextension/src labextension/style labextension/schema labextension/tsconfig.json -type f | LC_ALL=C sort)
# shellcheck disable=SC2086 # our own file names have no blanks
wanted="$how $(cat package.json yarn.lock scripts/browser.sh $sources | cksum)"
if [ ! -e "$built/package.json" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    echo "Building the browser part ..." >&2
    rm -rf "$built"
    script=build
    if [ "$how" = prod ]; then script=build:prod; fi
    # A surviving note of what tsc wrote makes it write nothing.
    jlpm clean && jlpm "$script" >labextension/build.log 2>&1 || { cat labextension/build.log >&2; exit 1; }
    rm labextension/build.log
    echo "$wanted" >"$stamp"
fi

# A link instead of a copy: what is built next is seen at the next load of the page.
if [ "$(readlink "$shown")" != "$PWD/$built" ]; then
    rm -rf "$shown"
    mkdir -p "$(dirname "$shown")"
    ln -s "$PWD/$built" "$shown"
fi
