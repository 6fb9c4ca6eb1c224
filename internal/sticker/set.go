package sticker

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"slices"

	"parley/ent/gen"
	"parley/internal/auth"
)

// Shipped is a sticker of a set that ships with parley.
type Shipped struct {
	Name, Caption string
	Tags          []string
	Licence       string
	// File is the picture, as a user would send it.
	File []byte
}

// setStep is how many stickers of a set one transaction adds, logStep after how many the
// log says how far it has come.
const (
	setStep = 50
	logStep = 500
)

// Fill adds what is missing of a set to the public stickers of the installation, and gives
// how many it added. How far it has come is in the transactions that add: one that ended
// early goes on there, of several at a time each sticker is added by one, and what was
// deleted since stays away. A sticker whose name is taken is left out. Indexes hear of
// each, clients don't: hundreds come at once.
func (s *Service) Fill(ctx context.Context, set string, all iter.Seq2[Shipped, error]) (added int, err error) {
	ctx = auth.System(ctx, "sticker.fill")
	done, err := s.progressOf(ctx, set)
	if err != nil {
		return 0, err
	}
	begun := done
	var waiting []item
	flush := func() error {
		n, now, err := s.fillStep(ctx, set, waiting)
		if err != nil {
			return err
		}
		if now/logStep > done/logStep {
			slog.InfoContext(ctx, "stickers are being added", "set", set, "done", now)
		}
		added, done, waiting = added+n, max(done, now), nil
		return nil
	}
	place := 0
	for one, err := range all {
		if err != nil {
			return added, fmt.Errorf("read the set of stickers %s: %w", set, err)
		}
		if err := ctx.Err(); err != nil {
			return added, err
		}
		if place++; place <= done {
			continue
		}
		next := item{place: place - 1, name: one.Name, caption: one.Caption, tags: one.Tags, licence: &one.Licence}
		if err := s.keep(ctx, &next, one.File); err != nil {
			return added, err
		}
		if next.refused != nil {
			return added, fmt.Errorf("the sticker %s of the set %s: %w", one.Name, set, next.refused)
		}
		if waiting = append(waiting, next); len(waiting) == setStep {
			if err := flush(); err != nil {
				return added, err
			}
		}
	}
	if len(waiting) > 0 {
		if err := flush(); err != nil {
			return added, err
		}
	}
	if done > begun {
		slog.InfoContext(ctx, "the set of stickers is complete", "set", set, "added", added)
	}
	return added, nil
}

// fillStep adds those of the items that no other process has added meanwhile, and tells
// how much of the set is done.
func (s *Service) fillStep(ctx context.Context, set string, items []item) (added, done int, err error) {
	err = s.store.Tx(ctx, func(ctx context.Context) error {
		var err error
		if done, err = s.progressOf(ctx, set); err != nil {
			return err
		}
		mine := items
		for len(mine) > 0 && mine[0].place < done {
			mine = mine[1:]
		}
		if len(mine) == 0 {
			return nil
		}
		if mine[0].place > done {
			return fmt.Errorf("of the set of stickers %s %d were added, which can't go on with number %d", set, done, mine[0].place)
		}
		rows, err := s.place(ctx, batch{visibility: Public}, mine)
		if err != nil {
			return err
		}
		// Clients don't hear of so many at once.
		rows = slices.DeleteFunc(rows, func(row *gen.Sticker) bool { return row == nil })
		added, done = len(rows), done+len(mine)
		if err := s.tell(ctx, false, rows...); err != nil {
			return err
		}
		return s.noteProgress(ctx, set, done)
	})
	return added, done, err
}
