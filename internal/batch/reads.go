package batch

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"parley/internal/apperr"
)

// Reads answers the reads of many concurrent calls with shared statements: while
// one is under way, the calls that arrive gather for the next. No statement
// begins before the calls that it answers, so each sees what was committed
// before it was made. A call that comes alone is answered at once, and nothing is
// remembered.
//
// Like a Writer it has goroutines only while there is work.
type Reads[K, V any] struct {
	cfg ReadConfig[K, V]

	mu      sync.Mutex
	waiting []read[K, V]
	readers int
}

// ReadConfig says how Reads reads. Zero values mean the defaults.
type ReadConfig[K, V any] struct {
	// MaxKeys is the most keys of one statement; default 100.
	MaxKeys int
	// MaxWaiting is the most calls that wait; beyond it Do is UNAVAILABLE;
	// default 10,000.
	MaxWaiting int
	// Readers is the most statements at a time; default 2.
	Readers int
	// Timeout bounds a statement; default 10 s.
	Timeout time.Duration
	// Load gives one value for each key, in order. ctx belongs to nobody's call
	// and has no viewer: whoever calls Do has checked that they may.
	Load func(ctx context.Context, keys []K) ([]V, error)
}

type read[K, V any] struct {
	key  K
	done chan answer[V] // has room for the answer, whether its call still waits or not
}

type answer[V any] struct {
	value V
	err   error
}

// NewReads makes Reads.
func NewReads[K, V any](cfg ReadConfig[K, V]) *Reads[K, V] {
	orDefault(&cfg.MaxKeys, 100)
	orDefault(&cfg.MaxWaiting, 10_000)
	orDefault(&cfg.Readers, 2)
	orDefault(&cfg.Timeout, 10*time.Second)
	return &Reads[K, V]{cfg: cfg}
}

// Do gives the value of a key as the next statement reads it.
func (r *Reads[K, V]) Do(ctx context.Context, key K) (V, error) {
	one := read[K, V]{key: key, done: make(chan answer[V], 1)}
	if err := r.enqueue(one); err != nil {
		var none V
		return none, err
	}
	select {
	case a := <-one.done:
		return a.value, a.err
	case <-ctx.Done():
		var none V
		return none, ctx.Err()
	}
}

func (r *Reads[K, V]) enqueue(one read[K, V]) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) >= r.cfg.MaxWaiting {
		busy := apperr.New(apperr.Unavailable, "Too many are reading at the moment. Try again soon.")
		busy.RetryAfter = comeBack
		return busy
	}
	r.waiting = append(r.waiting, one)
	if r.readers < r.cfg.Readers {
		r.readers++
		go r.run()
	}
	return nil
}

// Waiting gives the number of calls that wait for their statement.
func (r *Reads[K, V]) Waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting)
}

// run reads until nobody waits.
func (r *Reads[K, V]) run() {
	for {
		r.mu.Lock()
		n := min(len(r.waiting), r.cfg.MaxKeys)
		if n == 0 {
			r.readers--
			r.mu.Unlock()
			return
		}
		taken := r.waiting[:n:n]
		r.waiting = r.waiting[n:]
		if len(r.waiting) == 0 {
			r.waiting = nil // lets go of those that were answered
		}
		r.mu.Unlock()
		values, err := r.load(taken)
		for i, one := range taken {
			a := answer[V]{err: err}
			if err == nil {
				a.value = values[i]
			}
			one.done <- a
		}
	}
}

func (r *Reads[K, V]) load(taken []read[K, V]) (values []V, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), r.cfg.Timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			slog.ErrorContext(ctx, "a statement of many calls panicked", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("load panicked: %v", p)
		}
	}()
	keys := make([]K, len(taken))
	for i, one := range taken {
		keys[i] = one.key
	}
	values, err = r.cfg.Load(ctx, keys)
	if err == nil && len(values) != len(keys) {
		return nil, fmt.Errorf("%w: %d for %d keys", errResults, len(values), len(keys))
	}
	return values, err
}
