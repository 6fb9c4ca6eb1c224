package vector

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"parley/internal/vector/kernel"
)

// Model is what made the vectors of an index. Those of different models can't be
// compared, so a file of another one is refused.
type Model struct{ Name, Digest string }

// Config is what an Exact is made with.
type Config struct {
	// Dimension is how many numbers a vector has, 1 to MaxDimension.
	Dimension int
	// Model is written to files and wanted of them.
	Model Model
	// Folder is where the vectors lie that the codes in memory were made from:
	// 4 bytes for each number, read for the few rows that the codes don't decide.
	// The file has no name and is gone with the process. "" keeps them in memory.
	Folder string
	// Goroutines is how many scan at the same time at most; 0 is GOMAXPROCS.
	Goroutines int
}

func (c Config) check() error {
	if c.Dimension < 1 || c.Dimension > MaxDimension {
		return invalidf("%d dimensions, 1 to %d are allowed", c.Dimension, MaxDimension)
	}
	if c.Goroutines < 0 {
		return invalidf("%d goroutines", c.Goroutines)
	}
	if len(c.Model.Name) > maxWord || len(c.Model.Digest) > maxWord {
		return invalidf("the name and digest of a model have at most %d bytes each", maxWord)
	}
	return nil
}

// Exact is an Index in memory whose hits are those of comparing the query with
// every row. The stored precision is float32: hits and their order are those of
// the inner products of the float32 unit vectors, computed in float64.
//
// A row takes as many bytes as it has numbers (rounded up to a multiple of 128)
// and about 100 besides; its vector, in memory or in Folder, takes four times as
// many. Rows that were replaced or deleted take room until more than a quarter of
// their block is dead and the collector has run.
type Exact struct {
	cfg   Config
	form  kernel.Form
	vault *vault

	// writing is held by whoever changes the index, and guards places.
	writing sync.Mutex
	places  directory

	// mu guards what readers take: the view and the labels that belong to it.
	mu     sync.RWMutex
	now    *view
	labels labels
	closed bool

	passes passes
	desks  sync.Pool
}

// view is the index at one moment. It does not change.
type view struct {
	// blocks has nil where a block was written anew elsewhere.
	blocks []*block
	// tail is the block that takes rows, -1 for none.
	tail, rows int
}

// New makes an empty index.
func New(cfg Config) (*Exact, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Goroutines == 0 {
		cfg.Goroutines = runtime.GOMAXPROCS(0)
	}
	vault, err := openVault(cfg.Dimension, cfg.Folder)
	if err != nil {
		return nil, err
	}
	x := &Exact{
		cfg: cfg, form: kernel.Best(), vault: vault,
		places: newDirectory(0), labels: newLabels(), now: &view{tail: -1},
	}
	x.passes.scan = x.scan
	return x, nil
}

// Close gives the memory and the file back. What is asked afterwards, and
// searches that still read the file, answer ErrClosed.
func (x *Exact) Close() error {
	x.writing.Lock()
	defer x.writing.Unlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return nil
	}
	x.closed, x.now, x.labels, x.places = true, &view{tail: -1}, newLabels(), newDirectory(0)
	if err := x.vault.close(); err != nil {
		return fmt.Errorf("vector: close: %w", err)
	}
	return nil
}

// read gives the present view, and does with it what must see its labels.
func (x *Exact) read(with func(*view, *labels)) error {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.closed {
		return ErrClosed
	}
	with(x.now, &x.labels)
	return nil
}

// Len implements Index.
func (x *Exact) Len(context.Context) (int, error) {
	rows := 0
	err := x.read(func(v *view, _ *labels) { rows = v.rows })
	return rows, err
}

// Put implements Index. An error of the file means that no row was taken.
func (x *Exact) Put(ctx context.Context, rows ...Row) error {
	for _, r := range rows {
		if err := r.Check(x.cfg.Dimension); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	rows = lastOfEach(rows)
	x.writing.Lock()
	defer x.writing.Unlock()
	c, err := x.begin()
	if err != nil {
		return err
	}
	numbers := make([][]uint32, len(rows))
	x.mu.Lock()
	for i, r := range rows {
		numbers[i] = x.labels.take(r.Labels)
	}
	x.mu.Unlock()
	if err := c.put(rows, numbers); err != nil {
		x.mu.Lock()
		defer x.mu.Unlock()
		for _, n := range numbers {
			x.labels.drop(n)
		}
		return err
	}
	c.commit()
	return nil
}

// lastOfEach leaves out rows that a later one of the same id replaces.
func lastOfEach(rows []Row) []Row {
	last := make(map[string]int, len(rows))
	for i, r := range rows {
		last[r.ID] = i
	}
	if len(last) == len(rows) {
		return rows
	}
	kept := make([]Row, 0, len(last))
	for i, r := range rows {
		if last[r.ID] == i {
			kept = append(kept, r)
		}
	}
	return kept
}

// Delete implements Index.
func (x *Exact) Delete(ctx context.Context, ids ...string) error {
	for _, id := range ids {
		if err := CheckID(id); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	x.writing.Lock()
	defer x.writing.Unlock()
	c, err := x.begin()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if at, ok := x.places.find(c.blocks, id); ok {
			x.places.remove(c.blocks, id)
			c.kill(at)
		}
	}
	c.commit()
	return nil
}
