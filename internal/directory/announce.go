package directory

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/workerannouncement"
	"parley/internal/auth"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// Change is what became of a worker.
type Change string

// The changes.
const (
	// Came is a worker that is new, or was gone.
	Came Change = "CAME"
	// Changed is one that announces something else than before.
	Changed Change = "CHANGED"
	// Gone is one that has announced nothing for 30 seconds.
	Gone Change = "GONE"
)

// News is a change of what the directory knows of a worker.
type News struct {
	Worker string
	Change Change
}

// OnNews makes the directory call tell inside the transaction that records a change. It
// is set before anything is written.
func (d *Directory) OnNews(tell func(ctx context.Context, n News) error) { d.tell = tell }

// record is what the table holds of a worker.
type record struct {
	jobspec.Announcement
	// Gone says that everybody was told that the worker is gone.
	Gone bool `json:"gone,omitempty"`
}

// late is how much older than what is known an announcement may be and still be taken
// for one that was overtaken; beyond it the worker's clock was set back.
const late = jobspec.AnnounceInterval

// Announce keeps a worker's announcement, unless a newer one is there. Those of workers
// that have been gone for an hour are forgotten unless they are the last there is.
func (d *Directory) Announce(ctx context.Context, a jobspec.Announcement) error {
	ctx = auth.System(ctx, "directory.announce")
	now := store.Now()
	err := d.store.Tx(ctx, func(ctx context.Context) error {
		// A row for a new worker, so that of two processes one waits for the other.
		client := d.store.Client(ctx)
		if err := client.WorkerAnnouncement.Create().SetID(a.Worker).SetSeenAt(now).SetAnnouncement(json.RawMessage("{}")).
			OnConflictColumns(workerannouncement.FieldID).Ignore().Exec(ctx); err != nil {
			return err
		}
		row, before, err := d.lock(ctx, a.Worker)
		if err != nil || overtaken(a.At, before.At) {
			return err
		}
		if err := d.keep(ctx, row, before, record{Announcement: a}); err != nil {
			return err
		}
		_, err = client.WorkerAnnouncement.Delete().Where(workerannouncement.SeenAtLT(now.Add(-time.Hour))).Exec(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep an announcement: %w", err)
	}
	return nil
}

// Learn keeps what a worker says of its models folder in the result of a job, inside the
// transaction of the context. It is news before the worker's next announcement arrives. A
// worker that is not known is left to announce itself.
func (d *Directory) Learn(ctx context.Context, c jobspec.FolderChanged) error {
	ctx = auth.System(ctx, "directory.learn")
	row, before, err := d.lock(ctx, c.Worker)
	if gen.IsNotFound(err) {
		return nil
	}
	if err == nil && !overtaken(c.At, before.At) {
		after := record{Announcement: before.Announcement}
		after.At, after.Folder = c.At, &c.Folder
		err = d.keep(ctx, row, before, after)
	}
	if err != nil {
		return fmt.Errorf("keep what a worker says of its models folder: %w", err)
	}
	return nil
}

// overtaken tells of an announcement that a newer one came before.
func overtaken(at, known time.Time) bool { return at.Before(known) && known.Sub(at) < late }

// lock gives what is known of a worker, locked.
func (d *Directory) lock(ctx context.Context, worker string) (*gen.WorkerAnnouncement, record, error) {
	row, err := store.ForUpdate(d.store, d.store.Client(ctx).WorkerAnnouncement.Query().Where(workerannouncement.ID(worker))).Only(ctx)
	if err != nil {
		return nil, record{}, err
	}
	var before record
	if err := json.Unmarshal(row.Announcement, &before); err != nil {
		return nil, record{}, fmt.Errorf("read the announcement of %s: %w", worker, err)
	}
	return row, before, nil
}

// keep writes what is known of a worker now, and tells of it when it is something else.
func (d *Directory) keep(ctx context.Context, row *gen.WorkerAnnouncement, before, after record) error {
	data, err := json.Marshal(after)
	if err != nil {
		return err
	}
	store.AfterCommit(ctx, d.forget)
	u := d.store.Client(ctx).WorkerAnnouncement.Update().Where(workerannouncement.ID(row.ID)).SetSeenAt(store.Now()).SetAnnouncement(data)
	if err := u.Exec(ctx); err != nil {
		return err
	}
	switch {
	case before.Worker == "" || before.Gone:
		return d.tell(ctx, News{row.ID, Came})
	case !same(before.Announcement, after.Announcement):
		return d.tell(ctx, News{row.ID, Changed})
	}
	return nil
}

// same tells whether two announcements of a worker say the same, whenever they did.
func same(a, b jobspec.Announcement) bool {
	a.At, b.At = time.Time{}, time.Time{}
	one, err := json.Marshal(a)
	if err != nil {
		return false
	}
	other, err := json.Marshal(b)
	return err == nil && bytes.Equal(one, other)
}

// Sweep looks for workers that have fallen silent, and tells of each once. Every API
// process may call it.
func (d *Directory) Sweep(ctx context.Context) error {
	ctx = auth.System(ctx, "directory.sweep")
	silent := workerannouncement.SeenAtLT(store.Now().Add(-alive))
	rows, err := d.store.Client(ctx).WorkerAnnouncement.Query().Where(silent).Limit(1000).All(ctx)
	if err != nil {
		return fmt.Errorf("look for workers that are gone: %w", err)
	}
	for _, row := range rows {
		var known record
		if err := json.Unmarshal(row.Announcement, &known); err != nil || known.Gone {
			continue
		}
		if err := d.markGone(ctx, row.ID); err != nil {
			return fmt.Errorf("tell that the worker %s is gone: %w", row.ID, err)
		}
	}
	return nil
}

// markGone tells that a worker is gone, unless it came back or somebody told.
func (d *Directory) markGone(ctx context.Context, worker string) error {
	return d.store.Tx(ctx, func(ctx context.Context) error {
		row, known, err := d.lock(ctx, worker)
		if gen.IsNotFound(err) {
			return nil
		}
		if err != nil || known.Gone || time.Since(row.SeenAt) < alive {
			return err
		}
		known.Gone = true
		data, err := json.Marshal(known)
		if err != nil {
			return err
		}
		store.AfterCommit(ctx, d.forget)
		if err := d.store.Client(ctx).WorkerAnnouncement.Update().Where(workerannouncement.ID(worker)).SetAnnouncement(data).Exec(ctx); err != nil {
			return err
		}
		return d.tell(ctx, News{worker, Gone})
	})
}
