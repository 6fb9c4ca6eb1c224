package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"parley/internal/config"
	"parley/internal/sticker/demo"
)

// demoPause is how long the demo stickers wait after a failure.
const demoPause = time.Minute

// fillDemo adds the demo stickers that were not added yet, beside everything else, and
// then has nothing to do until ctx ends.
func (p *parts) fillDemo(ctx context.Context) error {
	for ctx.Err() == nil {
		if _, err := p.stickers.Fill(ctx, demo.Name, demo.Stickers()); err == nil {
			<-ctx.Done()
		} else if ctx.Err() == nil {
			slog.Warn("the demo stickers could not be added, they are tried again", "after", demoPause, "error", err)
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
