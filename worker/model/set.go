package model

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"

	"parley/internal/jobspec"
	"parley/worker"
	"parley/worker/bundle"
	"parley/worker/pipeline"
)

// Set is the models of a folder, opened. It follows the folder when Refresh is called.
type Set struct {
	families []family
	root     string
	options  pipeline.Options

	// refreshing is held by the one call of Refresh that works.
	refreshing sync.Mutex
	mu         sync.Mutex
	// entries are the bundles of the folder in the order of their names.
	entries []*entry
	// unread is why the folder can't be read.
	unread error
}

// entry is one bundle of the folder as it was when it was looked at last.
type entry struct {
	dir, stamp string
	kind       bundle.Kind
	about      jobspec.Model
	models     []Model
	// refused is why the bundle can't be used; clashed, that it is because of another one.
	refused error
	clashed bool
}

// Open loads every bundle below root that a family runs. What can't be used is
// logged with the reason; the others work without it. It fails when nothing is
// left. The models share their lanes and their memory.
func Open(ctx context.Context, root string, o pipeline.Options) (*Set, error) {
	return openFolder(ctx, families, root, o)
}

// openFolder is Open with other families.
func openFolder(ctx context.Context, all []family, root string, o pipeline.Options) (*Set, error) {
	s := newSet(all, root, o)
	s.Refresh(ctx)
	return s, s.Usable()
}

// New makes the set of a folder without looking at it: Refresh opens the models.
func New(root string, o pipeline.Options) *Set { return newSet(families, root, o) }

func newSet(all []family, root string, o pipeline.Options) *Set {
	return &Set{families: all, root: root, options: o.WithDefaults()}
}

// Usable says why none of the bundles can be used, nil when one can.
func (s *Set) Usable() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	reasons := []error{fmt.Errorf("there is no model in %s that can be used", s.root)}
	for _, e := range s.entries {
		if len(e.models) > 0 {
			return nil
		}
		if e.refused != nil {
			reasons = append(reasons, fmt.Errorf("%s: %w", filepath.Base(e.dir), e.refused))
		}
	}
	if s.unread != nil {
		return fmt.Errorf("look for models: %w", s.unread)
	}
	return errors.Join(reasons...)
}

// Change is what Refresh found. It is empty when the folder is as it was.
type Change struct {
	// Opened are models that wait to be served.
	Opened []Model
	// Gone are models of which nothing may be begun any more; close each after its
	// handlers have ended.
	Gone []Model
	// Any tells whether anything is another than before, models or not.
	Any bool
}

// Refresh looks at the folder: it opens what is new, and gives up what is gone or not
// what it was. Models that stay are not disturbed; nor are any while the folder can't be
// read, as a disk that is away for a moment. Calls wait for each other.
func (s *Set) Refresh(ctx context.Context) (c Change) {
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	before := s.present()
	dirs, err := bundle.List(s.root)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.unread = err
		return Change{}
	}
	stay, fresh := sortOut(before, dirs)
	for _, e := range before {
		if !slices.Contains(stay, e) {
			c.Gone, c.Any = append(c.Gone, e.models...), true
		}
	}
	now := stay
	for dir, stamp := range fresh {
		e := s.open(ctx, dir, stamp, now)
		now, c.Opened, c.Any = append(now, e), append(c.Opened, e.models...), true
	}
	slices.SortFunc(now, func(a, b *entry) int { return cmp.Compare(a.dir, b.dir) })
	if c.Any {
		s.join(now)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries, s.unread = now, nil
	return c
}

// sortOut gives the entries that are as they were, and the folders to open with their
// stamps. One that had to stand back behind another is opened again when any has gone.
func sortOut(before []*entry, dirs []string) (stay []*entry, fresh iter.Seq2[string, string]) {
	stamps := make(map[string]string, len(dirs))
	for _, dir := range dirs {
		stamps[dir] = stampOf(dir)
	}
	same := func(e *entry) bool { return stamps[e.dir] == e.stamp }
	gone := slices.ContainsFunc(before, func(e *entry) bool { return !same(e) })
	for _, e := range before {
		if same(e) && !(e.clashed && gone) {
			stay = append(stay, e)
			delete(stamps, e.dir)
		}
	}
	return stay, func(yield func(dir, stamp string) bool) {
		for _, dir := range dirs {
			if stamp, ok := stamps[dir]; ok && !yield(dir, stamp) {
				return
			}
		}
	}
}

func (s *Set) present() []*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries
}

// join lets the models of each family that works together do so.
func (s *Set) join(all []*entry) {
	for _, f := range s.families {
		if f.join == nil {
			continue
		}
		var own []Model
		for _, e := range all {
			if slices.Contains(f.kinds, e.kind) {
				own = append(own, e.models...)
			}
		}
		f.join(own)
	}
}

// open makes the entry of a bundle, beside others that are open already.
func (s *Set) open(ctx context.Context, dir, stamp string, others []*entry) *entry {
	e := &entry{dir: dir, stamp: stamp}
	refuse := func(err error) {
		slog.Error("a model can't be used", "folder", dir, "error", err)
		e.refused = err
	}
	e.about = jobspec.Model{Name: filepath.Base(dir), State: jobspec.ModelBroken}
	b, err := trusted(s.families, dir)
	if b != nil {
		e.kind, e.about = b.Kind, describe(b, e.about)
	}
	switch f, known := familyOf(s.families, e.kind); {
	case err != nil:
		refuse(err)
		if b != nil && !known {
			e.about.State = jobspec.ModelClosed
		}
	default:
		e.about.Work = f.work
		e.models = f.open(ctx, []*bundle.Bundle{b}, s.options, func(_ *bundle.Bundle, err error) { refuse(err) })
		if other := clash(e.models, others); other != "" {
			for _, m := range e.models {
				err = errors.Join(err, m.Close())
			}
			e.models, e.clashed = nil, true
			refuse(errors.Join(fmt.Errorf("the bundle in %s has the same name; give one of them another in parley.json", other), err))
		}
		if len(e.models) > 0 {
			e.about.State = jobspec.ModelServed
		}
	}
	if e.refused != nil {
		e.about.Reason = clip(e.refused.Error(), maxReason)
	}
	return e
}

// clash gives the folder of another bundle that serves the same queue.
func clash(models []Model, others []*entry) string {
	type queue struct{ kind, pool string }
	taken := map[queue]string{}
	for _, e := range others {
		for _, m := range e.models {
			for _, h := range m.Handlers {
				b := h.Bundle()
				taken[queue{b.Kind, b.Pool}] = e.dir
			}
		}
	}
	for _, m := range models {
		for _, h := range m.Handlers {
			b := h.Bundle()
			if dir := taken[queue{b.Kind, b.Pool}]; dir != "" {
				return dir
			}
		}
	}
	return ""
}

// trusted reads a bundle that a family runs, and checks the digests of its files. The
// bundle is there, beside an error, when it could be read.
func trusted(all []family, dir string) (*bundle.Bundle, error) {
	b, err := bundle.Open(dir)
	if err != nil {
		return nil, err
	}
	if _, ok := familyOf(all, b.Kind); !ok {
		return b, unrunnable(b)
	}
	_, err = b.Check()
	return b, err
}

// Handlers are what a worker serves with the models.
func (s *Set) Handlers() []worker.Handler {
	var all []worker.Handler
	for _, e := range s.present() {
		for _, m := range e.models {
			all = append(all, m.Handlers...)
		}
	}
	return all
}

// Names are those of the bundles that the handlers announce.
func (s *Set) Names() []string {
	var names []string
	for _, h := range s.Handlers() {
		if name := h.Bundle().Name; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Close gives all models back, after the handlers have ended.
func (s *Set) Close() error {
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	var errs []error
	for _, e := range s.present() {
		for _, m := range e.models {
			errs = append(errs, m.Close())
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = nil
	return errors.Join(errs...)
}
