package app

import (
	"context"
	"errors"
	"io"
	"time"

	"parley/internal/audit"
	"parley/internal/auth"
	"parley/internal/config"
	"parley/internal/dialog"
	"parley/internal/feedback"
)

// ExportDialogs writes the dialogs that their customers agreed to from the
// database of the settings, and gives their number. The audit log names no
// reader for it.
func ExportDialogs(ctx context.Context, cfg *config.Config, w io.Writer, format dialog.Format, f dialog.Filter) (rows int, err error) {
	p, err := openData(ctx, cfg, Serve)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	dialogs := dialog.New(p.store, p.log, audit.New(p.store, cfg.AuditKeep, nil), dialog.Config{Expiry: cfg.DialogExpiry})
	return dialogs.Export(auth.System(ctx, "app.export"), w, format, f)
}

// ExportFeedback writes the votes on public stickers that changed within since and until,
// which may be nil, from the database of the settings, and gives the number of rows.
func ExportFeedback(ctx context.Context, cfg *config.Config, w io.Writer, format feedback.Format, since, until *time.Time) (rows int, err error) {
	p, err := openData(ctx, cfg, Serve)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	votes := feedback.New(p.store, p.log, nil, nil, feedback.Config{})
	return votes.Export(auth.System(ctx, "app.export"), w, format, since, until)
}
