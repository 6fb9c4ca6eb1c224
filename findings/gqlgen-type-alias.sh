#!/usr/bin/env bash
# gqlgen's output is not always the same where Go types use an alias of a bound enum.
#
# Expected: Generating twice from the same files gives the same code.
# Happens:  An enum is bound to a Go type, and a struct that is bound to another type has a
#           list of it under an alias (type State = base.State). Then the generated code says
#           base.State in some runs and the alias in others. Both compile.
# Matters:  A check that generated code is up to date fails now and then, on code that nobody
#           touched. Naming the type itself in bound structs ends it.
#
# Versions: github.com/99designs/gqlgen 0.17.95. Needs Go.
# Seen on 2026-11-29.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export GOFLAGS=-mod=mod
mkdir base wish graph
cat >go.mod <<'MOD'
module example.org/alias

go 1.25
MOD
cat >base/base.go <<'GO'
package base

type State string

type Thing struct{ State State }
GO
cat >wish/wish.go <<'GO'
package wish

import "example.org/alias/base"

type State = base.State

type Filter struct{ States []State }
GO
cat >schema.graphql <<'SDL'
enum State { OPEN DONE }
type Thing { state: State! }
input Filter { states: [State!] }
type Query { things(filter: Filter): [Thing!]! }
SDL
cat >gqlgen.yml <<'YML'
schema: [schema.graphql]
exec: { filename: graph/generated.go, package: graph }
model: { filename: graph/models.go, package: graph }
models:
  State: { model: example.org/alias/base.State }
  Thing: { model: example.org/alias/base.Thing }
  Filter: { model: example.org/alias/wish.Filter }
YML
cat >tools.go <<'GO'
//go:build tools

package tools

import _ "github.com/99designs/gqlgen"
GO
go get github.com/99designs/gqlgen@v0.17.95 >/dev/null 2>&1
go build -o gqlgen github.com/99designs/gqlgen

for run in $(seq 40); do
	rm -f graph/*.go
	./gqlgen generate >/dev/null
	sha256sum <graph/generated.go | cut -c1-12 >>sums
	if [[ $(sort -u sums | wc -l) -gt 1 ]]; then
		echo "run $run gave other code than those before it:"
		sort sums | uniq -c
		grep -h 'func (ec \*executionContext) unmarshalNState' graph/generated.go
		exit 0
	fi
done
echo "Not as described any more: 40 runs gave the same code." >&2
exit 1
