#!/usr/bin/env bash
# From a fresh checkout to a fairy tale: installs what is missing, builds the program, lets the bundled model write.
# The first run takes minutes, the next ones seconds. Options are handed on: ./demo.sh -n 400 --seed 7
set -euo pipefail
cd "$(dirname "$0")"

tools/install_packages packages.txt
log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() {
  "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
}
if [ ! -f build/release/build.ninja ]; then
  echo "Building Sterna; this takes a few minutes the first time …"
  quietly cmake --preset release
fi
quietly cmake --build --preset release --target sterna_cli

prompt="Once upon a time there lived a king who had"
[ $# -gt 0 ] || set -- -n 200 --seed 1
echo "\$ build/release/sterna run -p \"$prompt\" $*"
echo
build/release/sterna run -p "$prompt" "$@"
