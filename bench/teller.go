package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"parley/internal/jobspec"
	"parley/worker"
)

// How a teller's text grows.
const (
	tell      = "tell"
	tellWords = 40
	tellEvery = jobspec.MinProgressInterval
)

// teller is a worker without a model that writes at once, or, where it is asked to tell,
// a text that grows, each of whose words is when it was written.
type teller struct{}

// Bundle implements worker.Handler.
func (teller) Bundle() jobspec.Bundle {
	return jobspec.Bundle{Name: "teller", Kind: jobspec.KindWrite, Pool: "teller"}
}

// Handle implements worker.Handler.
func (teller) Handle(ctx context.Context, t worker.Task, progress func(float64, string)) (json.RawMessage, error) {
	in, err := worker.Decode[jobspec.Write](t.Payload)
	if err != nil {
		return nil, err
	}
	text := in.Ask
	if in.Ask == tell {
		text = ""
		for range tellWords {
			text += fmt.Sprintf("%d ", time.Now().UnixNano())
			progress(0, text)
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(tellEvery):
			}
		}
	}
	return worker.Encode(jobspec.Written{Model: "teller", Texts: []jobspec.WrittenText{{Text: text, Tokens: 1, End: "end"}}})
}
