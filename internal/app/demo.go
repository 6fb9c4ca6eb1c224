package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"parley/internal/config"
	"parley/internal/sticker/demo"
)

// demoPause is how long what the demo adds waits after a failure.
const demoPause = time.Minute

// fillDemo adds the demo stickers that were not added yet, beside everything else, and
// then has nothing to do until ctx ends.
func (p *parts) fillDemo(ctx context.Context) error {
	return untilDone(ctx, "stickers", func() error {
		_, err := p.stickers.Fill(ctx, demo.Name, demo.Stickers())
		return err
	})
}

// fillPosts does so with the authors and posts that ship with parley.
func (p *parts) fillPosts(ctx context.Context) error {
	return untilDone(ctx, "posts", func() error { return p.feed.FillDemo(ctx) })
}

// untilDone tries until fill succeeds, and then waits for the end.
func untilDone(ctx context.Context, what string, fill func() error) error {
	for ctx.Err() == nil {
		if err := fill(); err == nil {
			<-ctx.Done()
		} else if ctx.Err() == nil {
			slog.Warn("the demo could not be added, it is tried again", "what", what, "after", demoPause, "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(demoPause):
			}
		}
	}
	return nil
}

// SeedStickers adds the demo stickers to the database and the media store of the settings,
// those that were not added yet, and gives their number.
func SeedStickers(ctx context.Context, cfg *config.Config) (added int, err error) {
	p, err := openOffline(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	return p.stickers.Fill(ctx, demo.Name, demo.Stickers())
}
