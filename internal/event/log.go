package event

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"parley/internal/store"
)

// Log is the event log of one database.
type Log struct {
	store *store.Store
	epoch string
	wake  func()
	// types are those that were announced, nil for any.
	types map[string]bool
}

// Open reads the log's epoch and makes one for a new database.
func Open(ctx context.Context, s *store.Store) (*Log, error) {
	l := &Log{store: s, wake: func() {}}
	err := s.Tx(ctx, func(ctx context.Context) error {
		if _, err := s.Exec(ctx, "INSERT INTO event_log (id, epoch, trimmed) VALUES (1, ?, 0) ON CONFLICT (id) DO NOTHING", newEpoch()); err != nil {
			return err
		}
		return s.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&l.epoch) }, "SELECT epoch FROM event_log WHERE id = 1")
	})
	if err != nil {
		return nil, fmt.Errorf("open the event log: %w", err)
	}
	return l, nil
}

func newEpoch() string {
	_, id, _ := strings.Cut(store.NewID("log"), "_")
	return id
}

// Announce makes the log refuse events of other types than these: nobody would
// carry them. It is called before anything is written.
func (l *Log) Announce(types []string) {
	l.types = make(map[string]bool, len(types))
	for _, t := range types {
		l.types[t] = true
	}
}

// OnCommit makes the log call wake after each commit that leaves rows for the
// relay, once for a transaction. It is set before anything is written; wake must
// not block.
func (l *Log) OnCommit(wake func()) { l.wake = wake }

// Wake tells the relay of rows that the transaction of the context leaves in the
// outbox, once it was committed. Append does so by itself.
func (l *Log) Wake(ctx context.Context) { store.OnceAfterCommit(ctx, l, l.wake) }

// Tx runs fn in a transaction, as store.Tx does, and gives the position in the log
// before it: nothing that fn appends lies at or before that, so that whoever
// reads on from there misses nothing of it.
func (l *Log) Tx(ctx context.Context, fn func(ctx context.Context) error) (before Cursor, err error) {
	err = l.store.Tx(ctx, func(ctx context.Context) error {
		head, err := l.Head(ctx)
		if err != nil {
			return err
		}
		before = l.Cursor(head)
		return fn(ctx)
	})
	return before, err
}

// Epoch names the log; a restored database should get a new one.
func (l *Log) Epoch() string { return l.epoch }

// Cursor gives the cursor of a position.
func (l *Log) Cursor(position int64) Cursor { return Cursor{Epoch: l.epoch, Position: position} }

// Head is the highest position so far. Read in a mutation's transaction
// before its writes, nothing of that mutation lies at or before it.
func (l *Log) Head(ctx context.Context) (int64, error) {
	var head int64
	err := l.store.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&head) },
		"SELECT COALESCE((SELECT MAX(position) FROM events), (SELECT trimmed FROM event_log WHERE id = 1), 0)")
	return head, err
}

// Reach gives the head of the log for comparison with a position: head, which was
// read a moment ago, or a fresh one if the position lies behind that. What another
// reader has reached since is no foreign position.
func (l *Log) Reach(ctx context.Context, head, position int64) (int64, error) {
	if position <= head {
		return head, nil
	}
	return l.Head(ctx)
}

// Append adds changes to the log inside the transaction of the context, and wakes
// the relay once that is committed. With
// SQLite's single writer they get their positions at once; on Postgres, where
// transactions commit in another order than they began, the relay gives them.
func (l *Log) Append(ctx context.Context, changes ...Change) error {
	if len(changes) == 0 {
		return nil
	}
	if !store.InTx(ctx) {
		return fmt.Errorf("event: Append outside of a transaction")
	}
	for _, c := range changes {
		if l.types != nil && !l.types[c.Type] {
			return fmt.Errorf("event: the type %q is announced by no domain", c.Type)
		}
	}
	l.Wake(ctx)
	var next int64
	if !l.store.Postgres() {
		head, err := l.Head(ctx)
		if err != nil {
			return err
		}
		next = head + 1
	}
	const columns = 9
	now := store.Now()
	// SQLite takes at most 32,766 arguments; this stays far below.
	for chunk := range chunks(changes, 500) {
		args := make([]any, 0, len(chunk)*columns)
		for _, c := range chunk {
			var position any
			if next > 0 {
				position = next
				next++
			}
			args = append(args, position, ShardOf(c.Audience), c.Audience, c.Topic, c.Type, c.Object, c.Parent, c.Version, c.State, now)
		}
		values := strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?, ?, ?, ?, ?, ?, ?), ", len(chunk)), ", ")
		if _, err := l.store.Exec(ctx, `INSERT INTO events
			(position, shard, audience, topic, type, object_id, parent_id, version, state, created_at) VALUES `+values, args...); err != nil {
			return fmt.Errorf("append to the event log: %w", err)
		}
	}
	return nil
}

func chunks[T any](all []T, size int) func(yield func([]T) bool) {
	return func(yield func([]T) bool) {
		for len(all) > 0 {
			n := min(size, len(all))
			if !yield(all[:n]) {
				return
			}
			all = all[n:]
		}
	}
}

// manyAudiences is from how many on a statement gets them as one argument.
const manyAudiences = 32

// Filter narrows Read.
type Filter struct {
	// Audiences limits to these; empty means all, which only hubs may ask.
	Audiences []string
	// Shards limits to these; nil means all.
	Shards []int
	// After is the position to read from, exclusive.
	After int64
	Limit int
}

// Read gives events in the order of their positions. A reader that goes on
// behind the last position it was given misses nothing that is committed later.
func (l *Log) Read(ctx context.Context, f Filter) ([]Event, error) {
	query := "SELECT position, audience, topic, type, object_id, parent_id, version, state, created_at FROM events WHERE position > ?"
	args := []any{f.After}
	if len(f.Audiences) > manyAudiences {
		among, list := store.Among(l.store, "audience", f.Audiences)
		query += " AND " + among
		args = append(args, list)
	} else if len(f.Audiences) > 0 {
		in, values := store.In(f.Audiences)
		query += " AND audience IN " + in
		args = append(args, values...)
	}
	if f.Shards != nil {
		shards := make([]string, len(f.Shards))
		for i, shard := range f.Shards {
			shards[i] = strconv.Itoa(shard)
		}
		query += " AND shard IN (" + strings.Join(shards, ", ") + ")"
	}
	query += " ORDER BY position LIMIT ?"
	args = append(args, f.Limit)
	var events []Event
	err := l.store.Query(ctx, func(rows *sql.Rows) error {
		var e Event
		if err := rows.Scan(&e.Position, &e.Audience, &e.Topic, &e.Type, &e.Object, &e.Parent, &e.Version, &e.State, &e.At); err != nil {
			return err
		}
		e.At = e.At.UTC()
		events = append(events, e)
		return nil
	}, query, args...)
	return events, err
}

// Trimmed is the highest position that was deleted: a reader that stands
// before it has missed something.
func (l *Log) Trimmed(ctx context.Context) (int64, error) {
	var trimmed int64
	err := l.store.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&trimmed) }, "SELECT trimmed FROM event_log WHERE id = 1")
	return trimmed, err
}

// Position gives positions to committed events that lack one, at most limit of
// them, and tells how many. A position is never given twice or changed, and
// lies behind all that were committed before. Only the relay that leads calls
// it; should two lead for a moment, the unique index lets one of them win.
func (l *Log) Position(ctx context.Context, limit int) (int, error) {
	if !l.store.Postgres() {
		return 0, nil
	}
	// A plan that is kept from when the table was small would read, for each event, all that
	// had no position a moment ago; so would one that looks for NULL in the last condition.
	n, err := l.store.Exec(ctx, `WITH todo AS (
			SELECT id, row_number() OVER (ORDER BY id) AS n FROM (
				SELECT id FROM events WHERE position IS NULL ORDER BY id LIMIT ?) AS waiting),
		head AS (SELECT COALESCE((SELECT MAX(position) FROM events), (SELECT trimmed FROM event_log WHERE id = 1), 0) AS position)
		UPDATE events SET position = head.position + todo.n FROM todo, head
		WHERE events.id = todo.id AND COALESCE(events.position, 0) = 0`, store.PlanAnew, limit)
	return int(n), err
}

// trimStep is how many positions Trim deletes in one transaction, so that
// nobody waits long for it.
const trimStep = 5_000

// Trim deletes events that are older than age, and the oldest beyond rows. It
// gives the number of deleted rows.
func (l *Log) Trim(ctx context.Context, age time.Duration, rows int64) (int64, error) {
	var aged, least, deleted int64
	head, err := l.Head(ctx)
	if err == nil {
		err = l.store.Query(ctx, func(r *sql.Rows) error { return r.Scan(&aged, &least) },
			`SELECT COALESCE((SELECT MAX(position) FROM events WHERE created_at < ?), 0),
				COALESCE((SELECT MIN(position) FROM events), 0)`, store.Now().Add(-age))
	}
	if err != nil {
		return 0, fmt.Errorf("look what to trim of the event log: %w", err)
	}
	last := max(aged, head-rows)
	for least > 0 && least <= last {
		until := min(last, least+trimStep-1)
		n, err := l.trimTo(ctx, until)
		deleted += n
		if err != nil {
			return deleted, fmt.Errorf("trim the event log: %w", err)
		}
		least = until + 1
	}
	return deleted, nil
}

func (l *Log) trimTo(ctx context.Context, until int64) (deleted int64, err error) {
	err = l.store.Tx(ctx, func(ctx context.Context) error {
		if deleted, err = l.store.Exec(ctx, "DELETE FROM events WHERE position <= ?", until); err != nil {
			return err
		}
		_, err = l.store.Exec(ctx, "UPDATE event_log SET trimmed = ? WHERE id = 1 AND trimmed < ?", until, until)
		return err
	})
	return deleted, err
}
