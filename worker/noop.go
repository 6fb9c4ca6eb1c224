package worker

import (
	"context"
	"encoding/json"
	"strings"

	"parley/internal/jobspec"
)

// Noop is a Handler without a model, for benchmarks and tests of the job engine:
// it "translates" at once, by upper case. It must not serve users.
type Noop struct{ bundle jobspec.Bundle }

// NewNoop makes a Noop for the directions, to be pulled from pool.
func NewNoop(pool string, directions []jobspec.Direction) *Noop {
	return &Noop{jobspec.Bundle{Name: pool, Kind: jobspec.KindTranslate, Pool: pool, Directions: directions}}
}

// Bundle implements Handler.
func (n *Noop) Bundle() jobspec.Bundle { return n.bundle }

// Handle implements Handler.
func (n *Noop) Handle(_ context.Context, t Task, _ func(float64, string)) (json.RawMessage, error) {
	in, err := Decode[jobspec.Translate](t.Payload)
	if err != nil {
		return nil, err
	}
	return Encode(jobspec.Translated{Text: strings.ToUpper(in.Text), Model: n.bundle.Name})
}
