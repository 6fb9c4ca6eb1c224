package feed

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"parley/ent/gen"
	"parley/internal/store"
)

const insertEntry = "INSERT INTO timeline_entries (user_id, post_id, author_id, created_at) VALUES "

// makeFloors adds the floors that are missing.
func (s *Service) makeFloors(ctx context.Context, accounts []string) error {
	_, err := s.store.InsertRows(ctx, insertEntry, "(?, '', '', ?)", " ON CONFLICT (post_id, user_id) DO NOTHING", len(accounts),
		func(i int, args []any) []any { return append(args, accounts[i], never) })
	return err
}

func (s *Service) lockFloors(ctx context.Context, accounts []string) error {
	if !s.store.Postgres() {
		return nil
	}
	in, args := store.In(accounts)
	err := s.store.Query(ctx, func(*sql.Rows) error { return nil },
		"SELECT user_id FROM timeline_entries WHERE post_id = '' AND user_id IN "+in+" ORDER BY user_id FOR UPDATE", args...)
	if err != nil {
		return fmt.Errorf("lock timelines: %w", err)
	}
	return nil
}

func (s *Service) setFloor(ctx context.Context, account string, floor time.Time) error {
	return s.change(ctx, "set the floor of a timeline", "UPDATE timeline_entries SET created_at = ? WHERE post_id = '' AND user_id = ?", floor, account)
}

// copiedFollows are the follows of an account whose posts are copied: equal ones are the same
// follows, since each new one has a higher number than all before.
type copiedFollows struct{ number, latest int64 }

func (s *Service) copiedFollows(ctx context.Context, account string) (f copiedFollows, err error) {
	err = s.store.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&f.number, &f.latest) },
		"SELECT COUNT(*), COALESCE(MAX(id), 0) FROM follows WHERE follower_id = ? AND NOT merged", account)
	if err != nil {
		return f, fmt.Errorf("read whom an account follows: %w", err)
	}
	return f, nil
}

func (s *Service) insertEntries(ctx context.Context, account string, posts []*gen.Post) error {
	_, err := s.store.InsertRows(ctx, insertEntry, "(?, ?, ?, ?)",
		" ON CONFLICT (post_id, user_id) DO NOTHING", len(posts), func(i int, args []any) []any {
			return append(args, account, posts[i].ID, posts[i].AuthorID, posts[i].CreatedAt)
		})
	return err
}

// copyToFollowers adds a post to the timelines of its author's followers, in one statement:
// whoever is blocked follows no more.
func (s *Service) copyToFollowers(ctx context.Context, post string) error {
	return s.change(ctx, "copy a post to followers", `INSERT INTO timeline_entries (user_id, post_id, author_id, created_at)
		SELECT f.follower_id, p.id, p.author_id, p.created_at FROM posts p JOIN follows f ON f.followee_id = p.author_id AND NOT f.merged WHERE p.id = ?`, post)
}

// mergeFollows makes all follows of an author merged, whose posts are too many to copy. The
// copies stay and are passed over.
func (s *Service) mergeFollows(ctx context.Context, author string) error {
	return s.change(ctx, "stop copying an author's posts", "UPDATE follows SET merged = ? WHERE followee_id = ? AND NOT merged", true, author)
}

// voidTimelines takes the floors away from the timelines of an author's followers, for a post
// that is not copied into them.
func (s *Service) voidTimelines(ctx context.Context, author string) error {
	return s.change(ctx, "void timelines", `UPDATE timeline_entries SET created_at = ? WHERE post_id = '' AND created_at < ?
		AND user_id IN (SELECT follower_id FROM follows WHERE followee_id = ? AND NOT merged)`, never, never, author)
}

// newestOf gives the newest posts of an author above a time.
func (s *Service) newestOf(ctx context.Context, author string, floor time.Time, limit int) ([]*gen.Post, error) {
	return s.posts(ctx, "SELECT "+columns+" FROM posts p WHERE p.author_id = ? AND p.created_at > ? ORDER BY p.created_at DESC, p.id DESC LIMIT ?", author, floor, limit)
}

// someTimelines gives accounts with timelines, chosen at random.
func (s *Service) someTimelines(ctx context.Context, limit int) ([]string, error) {
	return s.texts(ctx, "SELECT user_id FROM timeline_entries WHERE post_id = '' AND created_at < ? ORDER BY RANDOM() LIMIT ?", never, limit)
}

// longTimelines gives accounts whose timelines hold more than they keep, by their ids.
func (s *Service) longTimelines(ctx context.Context, after string, limit int) (accounts []string, err error) {
	err = s.store.Query(ctx, func(rows *sql.Rows) error {
		var account string
		err := rows.Scan(&account)
		accounts = append(accounts, account)
		return err
	}, "SELECT user_id FROM timeline_entries WHERE post_id <> '' AND user_id > ? GROUP BY user_id HAVING COUNT(*) > ? ORDER BY user_id LIMIT ?", after, s.cfg.Timeline, limit)
	if err != nil {
		return nil, fmt.Errorf("find long timelines: %w", err)
	}
	return accounts, nil
}

// entryBehind gives the time of the newest entry of a timeline behind some.
func (s *Service) entryBehind(ctx context.Context, account string, some int) (at time.Time, found bool, err error) {
	err = s.store.Query(ctx, func(rows *sql.Rows) error {
		found = true
		err := rows.Scan(&at)
		at = at.UTC()
		return err
	}, "SELECT created_at FROM timeline_entries WHERE user_id = ? AND post_id <> '' ORDER BY created_at DESC, post_id DESC LIMIT 1 OFFSET ?", account, some)
	return at, found, err
}

// dropEntries removes the entries of a timeline at a time and before.
func (s *Service) dropEntries(ctx context.Context, account string, until time.Time) error {
	return s.change(ctx, "trim a timeline", "DELETE FROM timeline_entries WHERE user_id = ? AND post_id <> '' AND created_at <= ?", account, until)
}
