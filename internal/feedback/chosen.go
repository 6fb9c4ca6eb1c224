package feedback

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/store"
)

// chosenAgain is how long a sticker that was chosen counts no second time for the same
// person and query.
const chosenAgain = time.Hour

// mostPlace is the last place of an answer that is counted.
const mostPlace = 100_000

// ChosenInput is the input of stickerChosen.
type ChosenInput struct {
	Query     string `json:"query"`
	StickerID string `json:"stickerId"`
	// Position is the sticker's place in the answer, from 1.
	Position *int `json:"position"`
}

// Chosen counts that whoever asks chose a sticker from the answers to a query, once an
// hour for each person, query and sticker. It tells whether this one counts. Private
// stickers are their owners' own business, and never count.
func (s *Service) Chosen(ctx context.Context, in ChosenInput) (bool, error) {
	if err := s.mayChoose(ctx); err != nil {
		return false, err
	}
	text, err := checkQuery(in.Query, "input", "query")
	if err != nil {
		return false, err
	}
	place := 1
	if in.Position != nil {
		if place = *in.Position; place < 1 || place > mostPlace {
			return false, apperr.Input("position", "A place is 1 to %d.", mostPlace)
		}
	}
	return s.choose(ctx, text, in.StickerID, place)
}

// ChosenUnasked is Chosen for a sticker that was shown without a query.
func (s *Service) ChosenUnasked(ctx context.Context, sticker string) (bool, error) {
	if err := s.mayChoose(ctx); err != nil {
		return false, err
	}
	return s.choose(ctx, "", sticker, 1)
}

func (s *Service) choose(ctx context.Context, text, sticker string, place int) (bool, error) {
	voter, err := VoterOf(ctx)
	if err != nil {
		return false, err
	}
	if err := s.allowItems(ctx, 1); err != nil {
		return false, err
	}
	public, err := s.public(ctx, voter, sticker)
	if err != nil || !public {
		return false, err
	}
	who := voter
	if viewer, _ := auth.From(ctx); viewer.Key != "" {
		// One key may stand in the pages of many people.
		who += " " + auth.VisitorOf(ctx).Address
	}
	n, _, err := s.cache.Count(ctx, "chosen:"+voteID(who, queryID(text), sticker), 1, chosenAgain)
	if err != nil {
		slog.WarnContext(ctx, "a chosen sticker is not counted", "error", err)
		return false, nil
	}
	if n > 1 {
		return false, nil
	}
	s.tally.choose(now(), text, sticker, place)
	return true, nil
}

// public tells whether a sticker that the voter may see is public.
func (s *Service) public(ctx context.Context, voter, id string) (bool, error) {
	if _, ok := store.Prefix(id); !ok {
		return false, apperr.Input("stickerId", "This is not the id of a sticker.")
	}
	scope, found := "", false
	err := s.store.Query(ctx, func(rows *sql.Rows) error { found = true; return rows.Scan(&scope) }, "SELECT scope FROM stickers WHERE id = ?", id)
	switch {
	case err != nil:
		return false, fmt.Errorf("look up a sticker: %w", err)
	case !found, scope != "" && scope != voter:
		return false, apperr.NotFoundf("There is no such sticker.")
	}
	return scope == "", nil
}
