#!/bin/sh
# Checks that the tools everything else is built with are here, and says in one
# sentence each what is missing.
set -eu
cd "$(dirname "$0")/.."

bad=
need() {
	command -v "$1" >/dev/null 2>&1 && return 0
	printf 'parley: %s is missing: %s\n' "$1" "$2" >&2
	bad=1
}
need go "install Go $(awk '$1 == "go" { print $2 }' go.mod) or newer from https://go.dev/dl/"
need node "install Node.js 20 or newer (it brings ONNX Runtime's library)"
need npm "install npm, which comes with Node.js"
command -v "${CC:-}" >/dev/null 2>&1 || command -v gcc >/dev/null 2>&1 || command -v clang >/dev/null 2>&1 ||
	command -v cc >/dev/null 2>&1 ||
	need gcc "install a C compiler, for example the package gcc (SQLite is written in C)"
[ -z "$bad" ] || exit 1
