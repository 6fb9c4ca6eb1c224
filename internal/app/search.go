package app

import (
	"context"
	"log/slog"
	"time"

	"parley/internal/event"
	"parley/internal/feed"
	"parley/internal/feedback"
	"parley/internal/indexing"
	"parley/internal/lifecycle"
	"parley/internal/live"
	"parley/internal/note"
	"parley/internal/search"
	"parley/internal/sticker"
)

// calibrateEvery is how often it is looked whether there are new votes to learn from.
const calibrateEvery = 30 * time.Second

// openSearch puts together what is searched. It comes behind openIndexing, and before the
// hub, which is there once something runs.
func (p *parts) openSearch() {
	p.search = search.New(search.Config{
		Shelf:    search.NewShelf(p.stickers, p.watchStickers),
		Opinions: search.NewOpinions(p.feedback, p.watchVotes),
		Vectors:  p.follower, Media: p.media, Notes: p.notes, Posts: p.feed, Feedback: p.feedback,
		MinConfidence: float64(p.cfg.SearchConfidence) / 100, CalibrateEvery: calibrateEvery,
	})
	p.stickers.Follow(p.stickersChange, func(ctx context.Context, ids ...string) {
		if err := p.search.Shelf.Refresh(ctx, ids...); err != nil {
			slog.WarnContext(ctx, "stickers that changed are found as they are in a moment", "error", err)
		}
	})
	p.notes.Follow(p.indexing.Watcher(note.SourceNotes))
	p.feed.Watch(p.indexing.Watcher(feed.SourcePosts))
	p.feedback.Follow(func(ctx context.Context, ids ...string) error {
		return p.indexing.Changed(ctx, search.SourceQueries, p.queries.New(ids)...)
	})
}

// stickersChange takes the votes on stickers that are gone away, and their vectors.
func (p *parts) stickersChange(ctx context.Context, gone bool, ids ...string) error {
	if gone {
		if err := p.feedback.Forget(ctx, ids...); err != nil {
			return err
		}
	}
	return p.indexing.Watcher(sticker.SourceStickers)(ctx, gone, ids...)
}

func (p *parts) watchStickers(changed func(id string), lost func()) (stop func()) {
	all := []string{indexing.Audience}
	return p.hub.Listen(all, all, live.Listener{Lost: lost, Event: func(e event.Event) {
		if id, ok := indexing.ChangedObject(e, sticker.SourceStickers); ok {
			changed(id)
		}
	}})
}

func (p *parts) watchVotes(changed func(id string), lost func()) (stop func()) {
	all := feedback.Audiences()
	return p.hub.Listen(all, all, live.Listener{Lost: lost, Event: func(e event.Event) {
		if feedback.OfScores(e) {
			changed(e.Object)
		}
	}})
}

// addSearch adds what keeps the memory of searches current. It comes behind the hub, which
// it listens to.
func (p *parts) addSearch(group *lifecycle.Group) {
	group.Add("stickers in memory", p.search.Shelf)
	group.Add("votes in memory", p.search.Opinions)
	group.Add("confidence of searches", p.search)
}

// sources gives what the domains have to be found by vectors.
func (p *parts) sources() []indexing.Source {
	p.queries = search.NewQueries(p.feedback)
	return []indexing.Source{p.stickers.Source(), p.notes.Source(note.Rest), p.feed.Source(), p.queries.Source()}
}
