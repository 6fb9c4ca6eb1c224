package media

import (
	"context"
	"fmt"
	"time"

	"parley/internal/store"
)

const (
	// Grace is how long an object without a row is kept.
	Grace = time.Hour
	// keepWithin is how long after Keep a row may be made: well below Grace.
	keepWithin = Grace / 2
	// sweepStep is how many objects are looked up at a time, sweepMost how many one
	// round deletes.
	sweepStep, sweepMost = 100, 5000
)

// Sweep deletes objects that had no row for Grace, a bounded number of them, and gives
// how many it deleted.
//
// An object is noted in loose_objects, in a transaction of its own, before it is
// written, and in the transaction that deletes a row of it; the transaction that makes a
// row takes the note back. So whatever process ends wherever, an object without a row is
// noted. Nobody deletes an object that is about to get its row: Keep notes it anew, and
// waits for a sweep that is deleting it, because both change the same row; from then on
// the sweep leaves it alone for Grace, and Add refuses an object that was kept long ago.
func (s *Service) Sweep(ctx context.Context) (deleted int, err error) {
	before := store.Now().Add(-Grace)
	for looked := 0; looked < sweepMost; looked += sweepStep {
		names, err := s.looseSince(ctx, before, sweepStep)
		if err != nil {
			return deleted, err
		}
		for _, name := range names {
			gone := false
			err := s.store.Tx(ctx, func(ctx context.Context) error {
				noted, named, err := s.forget(ctx, name, before)
				if gone = noted && !named; err != nil || !gone {
					return err
				}
				return s.bucket.Delete(ctx, name)
			})
			if err != nil {
				return deleted, fmt.Errorf("sweep the media store: %w", err)
			}
			if gone {
				deleted++
				s.swept.Add(1)
			}
		}
		if len(names) < sweepStep {
			break
		}
	}
	return deleted, nil
}
