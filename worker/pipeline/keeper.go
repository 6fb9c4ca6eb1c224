package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"parley/internal/jobspec"
)

// Resident is a model in memory. It works while Run runs, which ends with its context;
// Close follows.
type Resident interface {
	Run(ctx context.Context) error
	Close() error
}

// Keeper bounds the memory that models take together: those that were used longest ago
// leave it when others need the room. Share one among all pipelines of a process.
type Keeper struct {
	// limit is in bytes, 0 for none.
	limit int64

	mu   sync.Mutex
	used int64
	// idle are the models that are loaded and not in use, the longest unused one first.
	idle []evictable
	// freed is closed and made anew when room may have come.
	freed chan struct{}
}

// evictable is a model that can be asked to leave.
type evictable interface {
	// leave takes an idle model out of memory; k.mu is held, and let go meanwhile.
	leave()
}

// NewKeeper makes a Keeper for so many bytes, 0 for no limit.
func NewKeeper(limit int64) *Keeper { return &Keeper{limit: limit, freed: make(chan struct{})} }

// reserve makes room for a model. It waits for others to come out of use, and fails
// where the model is larger than the limit.
func (k *Keeper) reserve(ctx context.Context, name string, need int64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for k.limit > 0 && k.used+need > k.limit {
		switch {
		case need > k.limit:
			return NewError(jobspec.CodeModelBroken, "The model %s needs %d MiB of memory; all models together may take %d MiB.", name, need>>20, k.limit>>20)
		case len(k.idle) > 0:
			k.idle[0].leave()
		default:
			freed := k.freed
			k.mu.Unlock()
			select {
			case <-freed:
			case <-ctx.Done():
			}
			k.mu.Lock()
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	k.used += need
	return nil
}

// giveBack is called when room has come; k.mu is held.
func (k *Keeper) giveBack(need int64) {
	k.used -= need
	close(k.freed)
	k.freed = make(chan struct{})
}

// Kept is one model that is loaded when it is needed.
type Kept[T Resident] struct {
	keeper *Keeper
	name   string
	need   int64
	load   func() (T, error)

	// ctx ends when the model is not wanted any more.
	ctx  context.Context //nolint:containedctx // the model is the scope that the context describes
	stop context.CancelFunc

	// What follows is guarded by keeper.mu.
	model  T
	loaded bool
	users  int
	// changing is closed when loading or leaving is over, nil while neither goes on.
	changing chan struct{}
	// failure is why loading failed last, and retry when it may be tried again.
	failure error
	retry   time.Time
	pause   time.Duration
	end     context.CancelFunc
	ended   chan struct{}
}

// How long a model that could not be loaded is left alone: at first, and at most.
const (
	firstPause = time.Second
	mostPause  = time.Minute
)

// Keep names a model that takes need bytes, by an estimate. load is called by one
// goroutine at a time.
func Keep[T Resident](k *Keeper, name string, need int64, load func() (T, error)) *Kept[T] {
	m := &Kept[T]{keeper: k, name: name, need: need, load: load}
	m.ctx, m.stop = context.WithCancel(context.Background())
	return m
}

// Use gives the model, which is loaded first where it is not; it stays until release
// is called. Callers that come meanwhile wait for the same loading. A failure is
// remembered, and tried again after a pause that grows to a minute. It fails with the
// error of ctx, or with an *Error.
func (m *Kept[T]) Use(ctx context.Context) (model T, release func(), err error) {
	m.keeper.mu.Lock()
	defer m.keeper.mu.Unlock()
	for {
		switch {
		case m.ctx.Err() != nil:
			return model, nil, NewError(jobspec.CodeInternal, "The worker is stopping.")
		case m.loaded && m.changing == nil:
			m.take()
			return m.model, sync.OnceFunc(m.release), nil
		case m.changing == nil && m.failure != nil && time.Now().Before(m.retry):
			return model, nil, m.failure
		case m.changing == nil:
			m.changing = make(chan struct{})
			go m.begin()
		}
		if err := m.wait(ctx); err != nil {
			return model, nil, err
		}
	}
}

// wait waits for a change to end; the lock is held, and let go meanwhile.
func (m *Kept[T]) wait(ctx context.Context) error {
	changing := m.changing
	m.keeper.mu.Unlock()
	defer m.keeper.mu.Lock()
	select {
	case <-changing:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take puts the model to use; the lock is held.
func (m *Kept[T]) take() {
	m.users++
	for i, other := range m.keeper.idle {
		if other == evictable(m) {
			m.keeper.idle = append(m.keeper.idle[:i], m.keeper.idle[i+1:]...)
			break
		}
	}
}

func (m *Kept[T]) release() {
	m.keeper.mu.Lock()
	defer m.keeper.mu.Unlock()
	if m.users--; m.users == 0 && m.loaded {
		m.keeper.idle = append(m.keeper.idle, m)
		m.keeper.giveBack(0)
	}
}

// begin loads the model.
func (m *Kept[T]) begin() {
	model, err := m.fetch()
	m.keeper.mu.Lock()
	defer m.keeper.mu.Unlock()
	if err == nil {
		m.model, m.loaded, m.failure, m.pause = model, true, nil, 0
		var ctx context.Context
		ctx, m.end = context.WithCancel(m.ctx)
		m.ended = make(chan struct{})
		go m.run(ctx, model, m.ended)
		m.keeper.idle = append(m.keeper.idle, m)
	} else {
		m.pause = min(mostPause, max(firstPause, 2*m.pause))
		m.failure, m.retry = err, time.Now().Add(m.pause)
	}
	close(m.changing)
	m.changing = nil
}

// fetch waits for room and loads the model into it.
func (m *Kept[T]) fetch() (model T, err error) {
	if err := m.keeper.reserve(m.ctx, m.name, m.need); err != nil {
		return model, err
	}
	begun := time.Now()
	if model, err = m.load(); err != nil {
		m.keeper.mu.Lock()
		m.keeper.giveBack(m.need)
		m.keeper.mu.Unlock()
		return model, err
	}
	slog.Info("a model was loaded", "model", m.name, "took", time.Since(begun).Round(time.Millisecond))
	return model, nil
}

func (m *Kept[T]) run(ctx context.Context, model T, ended chan<- struct{}) {
	defer close(ended)
	if err := model.Run(ctx); err != nil {
		slog.Error("a model stopped", "model", m.name, "error", err)
	}
}

func (m *Kept[T]) leave() {
	m.keeper.idle = m.keeper.idle[1:]
	m.changing = make(chan struct{})
	m.keeper.mu.Unlock()
	if err := m.unload(); err != nil {
		slog.Warn("close a model", "model", m.name, "error", err)
	}
	slog.Info("a model left the memory", "model", m.name)
	m.keeper.mu.Lock()
	close(m.changing)
	m.changing = nil
}

// unload ends the model and gives its room back.
func (m *Kept[T]) unload() error {
	m.end()
	<-m.ended
	err := m.model.Close()
	m.keeper.mu.Lock()
	defer m.keeper.mu.Unlock()
	var none T
	m.model, m.loaded = none, false
	m.keeper.giveBack(m.need)
	if err != nil {
		return fmt.Errorf("close %s: %w", m.name, err)
	}
	return nil
}

// Load loads the model where it is not, so that a broken one is found. It fails as Use
// does.
func (m *Kept[T]) Load(ctx context.Context) error {
	_, release, err := m.Use(ctx)
	if err == nil {
		release()
	}
	return err
}

// Loaded tells whether the model is in memory.
func (m *Kept[T]) Loaded() bool {
	m.keeper.mu.Lock()
	defer m.keeper.mu.Unlock()
	return m.loaded
}

// Run keeps the model at work until ctx ends, and then ends it; calls of Use fail from
// then on. It returns nil.
func (m *Kept[T]) Run(ctx context.Context) error {
	<-ctx.Done()
	m.stop()
	m.keeper.mu.Lock()
	ended := m.ended
	m.keeper.mu.Unlock()
	if ended != nil {
		<-ended
	}
	return nil
}

// Close takes the model out of memory, for good. Nobody may use it any more. Closing
// twice is allowed.
func (m *Kept[T]) Close() error {
	m.stop()
	m.keeper.mu.Lock()
	for m.changing != nil {
		if err := m.wait(context.Background()); err != nil {
			break
		}
	}
	loaded := m.loaded
	if loaded {
		m.take()
	}
	m.keeper.mu.Unlock()
	if !loaded {
		return nil
	}
	return m.unload()
}
