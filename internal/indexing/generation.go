package indexing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"parley/internal/vector"
)

// Generation is the vectors of one search index as a process has them. A search uses
// one for all that it does.
type Generation struct {
	// ID is that of the search index; Model and Digest tell what its vectors can be
	// compared with.
	ID, Model, Digest string
	Dimensions        int
	// Texts and Pictures tell what the model reads.
	Texts, Pictures bool

	shelves map[shelf]vector.Index
	// changes counts what was put in and taken out.
	changes atomic.Int64
}

// Revision is another number after each change of the vectors in this process.
func (g *Generation) Revision() int64 { return g.changes.Load() }

// shelf is where a generation has the vectors of one side of a source's objects.
type shelf struct {
	source string
	side   Side
}

func (s shelf) String() string { return s.source + "-" + string(s.side) }

// Search gives the objects of a source whose vectors of a side are nearest. A side that
// the source or the model lacks has none. Its errors are those of vector.Index.
func (g *Generation) Search(ctx context.Context, source string, side Side, q vector.Query) ([]vector.Hit, error) {
	x, ok := g.shelves[shelf{source, side}]
	if !ok {
		return nil, q.Check(g.Dimensions)
	}
	return x.Search(ctx, q)
}

// Vector gives the vector of a side of an object, of length 1; false when there is none. Its
// errors are those of vector.Exact.
func (g *Generation) Vector(ctx context.Context, source string, side Side, id string) ([]float32, bool, error) {
	x, ok := g.shelves[shelf{source, side}]
	if !ok {
		return nil, false, nil
	}
	return x.Vector(ctx, id)
}

// Len is how many vectors of a side of a source's objects there are.
func (g *Generation) Len(ctx context.Context, source string, side Side) int {
	x, ok := g.shelves[shelf{source, side}]
	if !ok {
		return 0
	}
	n, err := x.Len(ctx)
	if err != nil {
		return 0
	}
	return n
}

// newGeneration makes one without vectors; make gives the place for those of a shelf.
func newGeneration(index *Index, sources []Source, open func(shelf) (vector.Index, error)) (*Generation, error) {
	g := &Generation{
		ID: index.ID, Model: index.Model, Digest: index.Digest, Dimensions: index.Dimensions, Texts: index.Texts, Pictures: index.Pictures,
		shelves: map[shelf]vector.Index{},
	}
	for _, source := range sources {
		for _, side := range source.Sides {
			if side == Words && !index.Texts || side == Picture && !index.Pictures {
				continue
			}
			place := shelf{source.Name, side}
			x, err := open(place)
			if err != nil {
				return nil, errors.Join(fmt.Errorf("index %s: %w", index.ID, err), g.close())
			}
			g.shelves[place] = x
		}
	}
	return g, nil
}

func (g *Generation) close() error {
	var errs []error
	for _, x := range g.shelves {
		if c, ok := x.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}
