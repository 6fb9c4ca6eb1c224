package fault

import (
	"fmt"
	"math/rand/v2"
)

// kind is what a fault does.
type kind string

const (
	cutOne     kind = "one socket cut"
	cutEvery   kind = "all connections cut"
	freezeOne  kind = "one socket frozen"
	killAPI    kind = "API process killed"
	termAPI    kind = "API process asked to stop"
	killNATS   kind = "NATS killed"
	killDevice kind = "client process killed"
)

// weights say how often a fault is of a kind.
var weights = []struct {
	kind  kind
	often int
}{{cutOne, 30}, {cutEvery, 10}, {freezeOne, 4}, {killAPI, 22}, {termAPI, 14}, {killNATS, 10}, {killDevice, 10}}

// fault is one thing that breaks.
type fault struct {
	// after is how many mutations must have been acknowledged before.
	after int
	kind  kind
	// target chooses the process or socket.
	target int
	// reset cuts by RST.
	reset bool
}

func (f fault) String() string {
	return fmt.Sprintf("after %d mutations: %s (%d, reset %t)", f.after, f.kind, f.target, f.reset)
}

// schedule gives the n faults of a seed. The first ones are one of each kind,
// so that a short run has all; their order comes from the seed as well.
func schedule(seed uint64, n int) []fault {
	rng := rand.New(rand.NewPCG(seed, 0))
	faults := make([]fault, n)
	first := rng.Perm(len(weights))
	after := 0
	for i := range faults {
		after += 4 + rng.IntN(16)
		f := fault{after: after, kind: draw(rng), target: rng.IntN(1 << 20), reset: rng.IntN(2) == 0}
		if i < len(first) {
			f.kind = weights[first[i]].kind
		}
		faults[i] = f
	}
	return faults
}

func draw(rng *rand.Rand) kind {
	sum := 0
	for _, w := range weights {
		sum += w.often
	}
	n := rng.IntN(sum)
	for _, w := range weights {
		if n -= w.often; n < 0 {
			return w.kind
		}
	}
	return cutOne
}
