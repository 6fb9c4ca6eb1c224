// Package dispatch readies what the outbox holds for the broker: it drops what no
// longer matters, finds a pool for what has none, and notes what was published.
package dispatch

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/attempt"
	"parley/ent/gen/outbox"
	"parley/ent/gen/run"
	"parley/internal/auth"
	"parley/internal/directory"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// unroutedPause is how long the outbox leaves a run alone that no worker can
// do: about as long as it has waited, so that what an announcement just misses
// does not wait for the next one. Announcements wake it earlier.
func unroutedPause(since time.Time) time.Duration {
	pause := time.Second
	for age := time.Since(since); pause < age && pause < time.Hour; {
		pause *= 2
	}
	return pause
}

// Item is one outbox row with what the relay needs to act on it.
type Item struct {
	row int64
	// Flag is what the run's workers are to be told; without one Job is to be published.
	Flag jobspec.Flag
	// Job has no Pool when the run was never published.
	Job jobspec.Job
}

// Outbox holds the attempts that wait for the broker.
type Outbox struct {
	store   *store.Store
	log     *event.Log
	jobs    *job.Service
	workers *directory.Directory
}

// New makes the outbox of an engine.
func New(s *store.Store, log *event.Log, jobs *job.Service, workers *directory.Directory) *Outbox {
	return &Outbox{store: s, log: log, jobs: jobs, workers: workers}
}

// Prepare readies the rows whose time has come, the oldest first, and gives them
// with when to look again (zero when the outbox is empty). Rows that no longer
// matter are deleted on the way; runs that no worker can do are put off.
func (o *Outbox) Prepare(ctx context.Context, limit int) ([]Item, time.Time, error) {
	ctx = auth.System(ctx, "dispatch.prepare")
	now := store.Now()
	rows, err := o.store.Client(ctx).Outbox.Query().Where(outbox.RunAtLTE(now)).
		Order(gen.Asc(outbox.FieldID)).Limit(limit).All(ctx)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read the outbox: %w", err)
	}
	if len(rows) == 0 {
		next, err := o.nextDue(ctx)
		return nil, next, err
	}
	runs, err := o.runsOf(ctx, rows)
	if err != nil {
		return nil, now, err
	}
	due, stale, unrouted := sortOut(rows, runs)
	if err := o.drop(ctx, stale); err != nil {
		return nil, now, err
	}
	routed, err := o.routeLate(ctx, unrouted, runs)
	if err != nil {
		return nil, now, err
	}
	due = append(due, routed...)
	return due, now, o.countLost(ctx, due)
}

// countLost tells items how many workers their runs took down before.
func (o *Outbox) countLost(ctx context.Context, items []Item) error {
	var again []string
	for _, i := range items {
		if i.Flag == jobspec.FlagNone && i.Job.Attempt > 1 {
			again = append(again, i.Job.Run)
		}
	}
	if len(again) == 0 {
		return nil
	}
	var counts []struct {
		RunID string `json:"run_id"`
		Count int    `json:"count"`
	}
	err := o.store.Client(ctx).Attempt.Query().
		Where(attempt.RunIDIn(again...), attempt.OutcomeEQ(attempt.OutcomeLOST), attempt.WorkerNEQ("")).
		GroupBy(attempt.FieldRunID).Aggregate(gen.Count()).Scan(ctx, &counts)
	if err != nil {
		return fmt.Errorf("count lost workers: %w", err)
	}
	lost := make(map[string]int, len(counts))
	for _, c := range counts {
		lost[c.RunID] = c.Count
	}
	for i := range items {
		items[i].Job.Lost = lost[items[i].Job.Run]
	}
	return nil
}

// sortOut tells rows that are due from those that no longer matter and those of
// runs without a pool.
func sortOut(rows []*gen.Outbox, runs map[string]*gen.Run) (due []Item, stale, unrouted []*gen.Outbox) {
	for _, row := range rows {
		r := runs[row.RunID]
		switch {
		case row.Action == outbox.ActionCANCEL:
			due = append(due, telling(row, r, jobspec.FlagCancelled))
		case row.Action == outbox.ActionSTOP:
			due = append(due, telling(row, r, jobspec.FlagStopped))
		case r == nil || r.State != run.StateQUEUED || r.Attempt != row.Attempt:
			stale = append(stale, row)
		case r.Pool == "":
			unrouted = append(unrouted, row)
		default:
			due = append(due, publishing(row, r))
		}
	}
	return due, stale, unrouted
}

func (o *Outbox) nextDue(ctx context.Context) (time.Time, error) {
	first, err := o.store.Client(ctx).Outbox.Query().Order(gen.Asc(outbox.FieldRunAt)).Limit(1).All(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("read the outbox: %w", err)
	}
	if len(first) == 0 {
		return time.Time{}, nil
	}
	return first[0].RunAt, nil
}

func publishing(row *gen.Outbox, r *gen.Run) Item {
	return Item{row: row.ID, Job: jobspec.Job{
		Run: r.ID, Attempt: r.Attempt, Kind: r.Kind, Pool: r.Pool, Lane: jobspec.Lane(r.Lane),
		Moved: r.PublishedAt != nil, Payload: r.Payload,
	}}
}

func telling(row *gen.Outbox, r *gen.Run, flag jobspec.Flag) Item {
	d := Item{row: row.ID, Flag: flag, Job: jobspec.Job{Run: row.RunID, Attempt: row.Attempt}}
	if r != nil {
		d.Job.Kind, d.Job.Pool, d.Job.Lane = r.Kind, r.Pool, jobspec.Lane(r.Lane)
	}
	return d
}

func (o *Outbox) runsOf(ctx context.Context, rows []*gen.Outbox) (map[string]*gen.Run, error) {
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.RunID
	}
	found, err := o.store.Client(ctx).Run.Query().Where(run.IDIn(ids...)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the outbox's runs: %w", err)
	}
	byID := make(map[string]*gen.Run, len(found))
	for _, r := range found {
		byID[r.ID] = r
	}
	return byID, nil
}

// routeLate looks for pools again and puts off the rows for which there is
// none.
func (o *Outbox) routeLate(ctx context.Context, rows []*gen.Outbox, runs map[string]*gen.Run) ([]Item, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	if _, err := o.workers.Workers(ctx); err != nil {
		return nil, err
	}
	var routed []Item
	later := map[time.Duration][]int64{}
	byPool := map[string][]string{}
	for _, row := range rows {
		r := runs[row.RunID]
		if r.Pool = o.jobs.Route(r.Kind, r.Payload); r.Pool == "" {
			pause := unroutedPause(r.CreatedAt)
			later[pause] = append(later[pause], row.ID)
			continue
		}
		byPool[r.Pool] = append(byPool[r.Pool], r.ID)
		routed = append(routed, publishing(row, r))
	}
	err := o.store.Tx(ctx, func(ctx context.Context) error {
		client := o.store.Client(ctx)
		for pool, ids := range byPool {
			if err := client.Run.Update().Where(run.IDIn(ids...)).SetPool(pool).Exec(ctx); err != nil {
				return err
			}
		}
		for pause, ids := range later {
			if err := client.Outbox.Update().Where(outbox.IDIn(ids...)).SetRunAt(store.Now().Add(pause)).Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("route runs: %w", err)
	}
	return routed, nil
}

// Done forgets outbox rows that the broker has taken over and notes when.
func (o *Outbox) Done(ctx context.Context, done []Item) error {
	if len(done) == 0 {
		return nil
	}
	ctx = auth.System(ctx, "dispatch.done")
	rows := make([]int64, len(done))
	published := map[int][]string{}
	for i, d := range done {
		rows[i] = d.row
		if d.Flag == jobspec.FlagNone {
			published[d.Job.Attempt] = append(published[d.Job.Attempt], d.Job.Run)
		}
	}
	now := store.Now()
	return o.store.Tx(ctx, func(ctx context.Context) error {
		client := o.store.Client(ctx)
		for attempt, runs := range published {
			// A worker may be done already, or the next attempt be waiting.
			if err := client.Run.Update().Where(run.IDIn(runs...), run.StateEQ(run.StateQUEUED), run.Attempt(attempt)).
				SetPublishedAt(now).Exec(ctx); err != nil {
				return fmt.Errorf("note what was published: %w", err)
			}
		}
		if _, err := client.Outbox.Delete().Where(outbox.IDIn(rows...)).Exec(ctx); err != nil {
			return fmt.Errorf("delete from the outbox: %w", err)
		}
		return nil
	})
}

func (o *Outbox) drop(ctx context.Context, rows []*gen.Outbox) error {
	if len(rows) == 0 {
		return nil
	}
	ids := make([]int64, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	err := o.store.Tx(ctx, func(ctx context.Context) error {
		_, err := o.store.Client(ctx).Outbox.Delete().Where(outbox.IDIn(ids...)).Exec(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete from the outbox: %w", err)
	}
	return nil
}

// Release makes the outbox look again at runs that no worker could do: another
// worker announced itself.
func (o *Outbox) Release(ctx context.Context) error {
	now := store.Now()
	err := o.store.Tx(ctx, func(ctx context.Context) error {
		n, err := o.store.Exec(ctx, `UPDATE outbox SET run_at = ? WHERE action = 'PUBLISH' AND run_at > ?
			AND run_id IN (SELECT id FROM runs WHERE pool = '' AND state = 'QUEUED')`, now, now)
		if n > 0 {
			slog.Info("work that waited for a worker goes on", "runs", n)
			o.log.Wake(ctx)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("release runs that waited for a worker: %w", err)
	}
	return nil
}
