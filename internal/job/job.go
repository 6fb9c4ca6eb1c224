// Package job is the engine behind every mutation that outlives its request:
// it records what was asked for, hands the work to the outbox, applies what
// workers report exactly once, retries, rescues and cancels. It knows no
// domain: each domain announces its Kind.
package job

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"parley/ent/gen"
	entjob "parley/ent/gen/job"
	"parley/internal/directory"
	"parley/internal/event"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// State of a job or run. The last four are final.
type State = entjob.State

// The states.
const (
	Queued    = entjob.StateQUEUED
	Running   = entjob.StateRUNNING
	Succeeded = entjob.StateSUCCEEDED
	Failed    = entjob.StateFAILED
	Dead      = entjob.StateDEAD
	Cancelled = entjob.StateCANCELLED
)

// Final tells whether nothing follows the state by itself.
func Final(s State) bool { return s != Queued && s != Running }

// Kind is what a domain registers for its work.
type Kind struct {
	// Name is the jobspec kind.
	Name string
	// Validate refuses a worker's result that Apply could not write; its
	// attempt then counts as failed. Nil takes every result.
	Validate func(payload json.RawMessage) error
	// Stage takes out of a result what is too large for a row, such as a file, before the
	// transaction that records it, and gives the rest as the payload for Validate and Apply.
	// What it stored may never be recorded. Nil leaves results as they are.
	Stage func(ctx context.Context, payload json.RawMessage) (json.RawMessage, error)
	// Apply writes what became of jobs into the domain's rows, inside the
	// transaction that ends the jobs, and gives the events of that.
	Apply func(ctx context.Context, ended []*Ended) ([]event.Change, error)
	// Reopen prepares the domain's rows for another try and gives the payload
	// for it, inside the transaction of retryJob.
	Reopen func(ctx context.Context, job *gen.Job) (json.RawMessage, error)
	// Result is the prefix of the ids of what jobs of the kind make: their Subject
	// names one.
	Result string
	// Route gives the pool of workers that can do the payload, "" if none is
	// known, from what the workers announced.
	Route func(payload json.RawMessage, bundles []jobspec.Bundle) string
	// Sheds tells that what a run was given to do is deleted when the run ends: it is
	// large, and Reopen does without it.
	Sheds bool
}

// Outcome is what a run came to.
type Outcome struct {
	State   State
	Payload json.RawMessage
	Code    jobspec.Code
	Message string
}

// Ended is a job that comes to its end.
type Ended struct {
	// Job is the row as it was before, Outcome what its run came to.
	Job     *gen.Job
	Outcome Outcome
	// Gone is for Apply to set when what the result was for no longer exists;
	// the job then ends as CANCELLED.
	Gone bool
}

// Config bounds the engine; zero values mean the defaults.
type Config struct {
	// MaxAttempts of one run, 5.
	MaxAttempts int
	// MaxPerUser is how many jobs one user may have in flight, 1,000.
	MaxPerUser int
	// RetryBase is the delay before the second attempt, 1 s; it doubles with
	// each attempt up to RetryMax, 5 min, give or take a fifth.
	RetryBase, RetryMax time.Duration
	// Lost is how long a running attempt may be silent before it is taken
	// from its worker, and how long a published one may be missing from the
	// broker: 3 times jobspec.AckWait.
	Lost time.Duration
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	if c.MaxAttempts <= 0 {
		c.MaxAttempts = 5
	}
	if c.MaxPerUser <= 0 {
		c.MaxPerUser = 1000
	}
	set(&c.RetryBase, time.Second)
	set(&c.RetryMax, 5*time.Minute)
	set(&c.Lost, 3*jobspec.AckWait)
	return c
}

// Service is the engine over one database.
type Service struct {
	store *store.Store
	log   *event.Log
	cfg   Config
	kinds map[string]Kind
	// workers tells who can do what.
	workers *directory.Directory
	stats   stats
	// forecasts are shared by those who ask at about the same time.
	forecasts forecaster
}

// stats counts what the engine had to put right.
type stats struct{ stale, rescued, retried atomic.Int64 }

// New makes the engine.
func New(s *store.Store, log *event.Log, workers *directory.Directory, cfg Config) *Service {
	return &Service{store: s, log: log, cfg: cfg.withDefaults(), kinds: map[string]Kind{}, workers: workers}
}

// Register adds a kind that a domain announced; app does so before anything runs.
func (s *Service) Register(k Kind) { s.kinds[k.Name] = k }

func (s *Service) kind(name string) (Kind, error) {
	k, ok := s.kinds[name]
	if !ok {
		return Kind{}, fmt.Errorf("job: kind %q is not registered", name)
	}
	return k, nil
}

// backoff is the delay before the attempt after the given one.
func (s *Service) backoff(attempt int) time.Duration {
	d := s.cfg.RetryBase
	for i := 1; i < attempt && d < s.cfg.RetryMax; i++ {
		d *= 2
	}
	d = min(d, s.cfg.RetryMax)
	return d + time.Duration((rand.Float64()-0.5)*0.4*float64(d)) //nolint:gosec // jitter, not a secret
}

// activeKey is equal for equal work.
func activeKey(kind string, payload json.RawMessage) string {
	sum := sha256.Sum256(append([]byte(kind+"\x00"), payload...))
	return hex.EncodeToString(sum[:])
}

// changed is the event of a job's recorded change: the row as it is now.
func changed(j *gen.Job) event.Change {
	return event.Change{
		Audience: event.User(j.OwnerID), Topic: TopicJobs, Type: TypeJobChanged,
		Object: j.ID, Parent: j.ParentID, Version: j.Version, State: string(j.State),
	}
}

// Counts tells since the process started how many reports were stale, how many
// runs were rescued and how many attempts followed a failed one.
func (s *Service) Counts() (stale, rescued, retried int64) {
	return s.stats.stale.Load(), s.stats.rescued.Load(), s.stats.retried.Load()
}
