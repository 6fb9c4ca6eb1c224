package job

import (
	"context"
	"database/sql"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"parley/ent/gen"
	"parley/internal/auth"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// Bounds of what is read for forecasts.
const (
	// mostWaiting is how many runs that wait are looked at, mostEnded how many attempts.
	mostWaiting = 10_000
	mostEnded   = 2000
	// freshQueue and freshTimes are for how long all readers share what was read.
	freshQueue = 500 * time.Millisecond
	freshTimes = 5 * time.Second
)

// queue is what waits and what is under way, by pool.
type queue struct {
	at          time.Time
	interactive map[string][]string
	bulk        map[string][]string
	began       map[string][]time.Time
	// runs are those under way, by their ids, with when their attempt began.
	runs map[string]time.Time
	// pools are those of all these runs.
	pools map[string]string
}

// line is what runs are alike by.
type line struct{ kind, pool string }

// forecaster keeps what forecasts are made of for a moment, since many ask at once.
type forecaster struct {
	flight singleflight.Group
	mu     sync.Mutex
	queue  *queue
	times  map[line][]time.Duration
	timed  time.Time
}

// ForecastsOf tells of jobs that the viewer was given, by id, where they stand and when they
// will probably end. There is nothing to tell of those that have ended.
func (s *Service) ForecastsOf(ctx context.Context, jobs []*gen.Job) (map[string]*Forecast, error) {
	if !slices.ContainsFunc(jobs, func(j *gen.Job) bool { return !Final(j.State) }) {
		return nil, nil
	}
	q, times, err := s.outlook(auth.System(ctx, "job.forecast"))
	if err != nil {
		return nil, err
	}
	living, err := s.workers.LivingPools(ctx)
	if err != nil {
		return nil, err
	}
	all := make(map[string]*Forecast, len(jobs))
	for _, j := range jobs {
		if pool := q.pools[j.RunID]; !Final(j.State) && living[pool] {
			all[j.ID] = q.forecast(j, pool, times[line{j.Kind, pool}])
		}
	}
	return all, nil
}

// forecast is that of a job whose run waits for a pool or is under way there.
func (q *queue) forecast(j *gen.Job, pool string, times []time.Duration) *Forecast {
	now := time.Now()
	o := outlook{now: now, times: times, after: j.RunAt}
	f := &Forecast{}
	if began, running := q.runs[j.RunID]; running {
		elapsed := now.Sub(began)
		o.begun = &elapsed
	} else {
		ahead, found := placeOf(q.interactive[pool], q.bulk[pool], j.RunID)
		if !found {
			return f
		}
		o.ahead, f.Position = ahead, ahead+1
		for _, began := range q.began[pool] {
			o.busy = append(o.busy, now.Sub(began))
		}
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(j.RunID))
	f.Window = o.window(h.Sum64())
	return f
}

// outlook gives what all readers share for a moment.
func (s *Service) outlook(ctx context.Context) (*queue, map[line][]time.Duration, error) {
	f := &s.forecasts
	f.mu.Lock()
	q, times, timed := f.queue, f.times, f.timed
	f.mu.Unlock()
	if q != nil && time.Since(q.at) < freshQueue {
		return q, times, nil
	}
	_, err, _ := f.flight.Do("", func() (any, error) {
		ctx := context.WithoutCancel(ctx)
		fresh, err := s.readQueue(ctx)
		if err == nil && time.Since(timed) > freshTimes {
			times, err = s.readTimes(ctx)
			timed = time.Now()
		}
		if err == nil {
			f.mu.Lock()
			f.queue, f.times, f.timed = fresh, times, timed
			f.mu.Unlock()
		}
		return nil, err
	})
	if err != nil {
		return nil, nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.queue, f.times, nil
}

// readQueue reads the runs that wait or are under way. The states are literals, for the
// partial indexes.
func (s *Service) readQueue(ctx context.Context) (*queue, error) {
	q := &queue{
		at: time.Now(), interactive: map[string][]string{}, bulk: map[string][]string{}, began: map[string][]time.Time{},
		runs: map[string]time.Time{}, pools: map[string]string{},
	}
	err := s.store.Query(ctx, func(rows *sql.Rows) error {
		var id, pool, lane string
		if err := rows.Scan(&id, &pool, &lane); err != nil {
			return err
		}
		q.pools[id] = pool
		if jobspec.Lane(lane) == jobspec.LaneBulk {
			q.bulk[pool] = append(q.bulk[pool], id)
		} else {
			q.interactive[pool] = append(q.interactive[pool], id)
		}
		return nil
	}, "SELECT id, pool, lane FROM runs WHERE state = 'QUEUED' AND run_at <= ? ORDER BY id LIMIT ?", store.Now().Add(time.Second), mostWaiting)
	if err == nil {
		err = s.store.Query(ctx, func(rows *sql.Rows) error {
			var id, pool string
			var began time.Time
			if err := rows.Scan(&id, &pool, &began); err != nil {
				return err
			}
			q.pools[id], q.runs[id] = pool, began
			q.began[pool] = append(q.began[pool], began)
			return nil
		}, `SELECT runs.id, runs.pool, attempts.started_at FROM runs JOIN attempts ON attempts.run_id = runs.id AND attempts.number = runs.attempt
			WHERE runs.state = 'RUNNING' LIMIT ?`, mostWaiting)
	}
	if err != nil {
		return nil, fmt.Errorf("read what waits: %w", err)
	}
	return q, nil
}

// readTimes reads how long attempts took that succeeded of late.
func (s *Service) readTimes(ctx context.Context) (map[line][]time.Duration, error) {
	times := map[line][]time.Duration{}
	err := s.store.Query(ctx, func(rows *sql.Rows) error {
		var l line
		var began, ended time.Time
		if err := rows.Scan(&l.kind, &l.pool, &began, &ended); err != nil {
			return err
		}
		if len(times[l]) < mostSamples {
			times[l] = append(times[l], max(0, ended.Sub(began)))
		}
		return nil
	}, `SELECT runs.kind, runs.pool, a.started_at, a.ended_at
		FROM (SELECT id, run_id, started_at, ended_at, outcome FROM attempts ORDER BY id DESC LIMIT ?) AS a JOIN runs ON runs.id = a.run_id
		WHERE a.outcome = 'SUCCEEDED' AND a.ended_at IS NOT NULL ORDER BY a.id DESC`, mostEnded)
	if err != nil {
		return nil, fmt.Errorf("read how long work took: %w", err)
	}
	return times, nil
}
