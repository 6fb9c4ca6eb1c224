package feed

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"parley/internal/store"
)

// lockAuthors keeps others from publishing as some accounts and from following them until
// the end of the transaction, and gives how many follow each.
func (s *Service) lockAuthors(ctx context.Context, ids ...string) (map[string]int64, error) {
	slices.Sort(ids)
	_, err := s.store.InsertRows(ctx, "INSERT INTO feed_authors (id, followers) VALUES ", "(?, 0)", " ON CONFLICT (id) DO NOTHING", len(ids),
		func(i int, args []any) []any { return append(args, ids[i]) })
	if err != nil {
		return nil, err
	}
	in, args := store.In(ids)
	locked := make(map[string]int64, len(ids))
	err = s.store.Query(ctx, func(rows *sql.Rows) error {
		var id string
		var followers int64
		err := rows.Scan(&id, &followers)
		locked[id] = followers
		return err
	}, "SELECT id, followers FROM feed_authors WHERE id IN "+in+" ORDER BY id"+s.store.ForUpdate(), args...)
	if err != nil {
		return nil, fmt.Errorf("lock authors: %w", err)
	}
	return locked, nil
}

// followers tells how many follow an account.
func (s *Service) followers(ctx context.Context, account string) (n int64, err error) {
	err = s.store.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&n) }, "SELECT followers FROM feed_authors WHERE id = ?", account)
	if err != nil {
		return 0, fmt.Errorf("read how many follow an account: %w", err)
	}
	return n, nil
}

func (s *Service) countFollowers(ctx context.Context, account string, by int) error {
	return s.change(ctx, "count followers", "UPDATE feed_authors SET followers = followers + ? WHERE id = ?", by, account)
}

// change runs a statement of which it does not matter how many rows it changes.
func (s *Service) change(ctx context.Context, what, query string, args ...any) error {
	_, err := s.changed(ctx, what, query, args...)
	return err
}

// changed runs a statement and tells how many rows it changed.
func (s *Service) changed(ctx context.Context, what, query string, args ...any) (int64, error) {
	n, err := s.store.Exec(ctx, query, args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	return n, nil
}

// addFollow makes the row of a follow and tells whether there was none.
func (s *Service) addFollow(ctx context.Context, follower, followee string, merged bool) (bool, error) {
	n, err := s.changed(ctx, "follow", `INSERT INTO follows (created_at, follower_id, followee_id, merged) VALUES (?, ?, ?, ?)
		ON CONFLICT (follower_id, followee_id) DO NOTHING`, store.Now(), follower, followee, merged)
	return n > 0, err
}

// dropFollow removes the row of a follow, with what was copied for it, and tells whether
// there was one.
func (s *Service) dropFollow(ctx context.Context, follower, followee string) (bool, error) {
	n, err := s.changed(ctx, "unfollow", "DELETE FROM follows WHERE follower_id = ? AND followee_id = ?", follower, followee)
	if err != nil || n == 0 {
		return false, err
	}
	return true, s.change(ctx, "empty a timeline", "DELETE FROM timeline_entries WHERE user_id = ? AND author_id = ?", follower, followee)
}

func (s *Service) addBlock(ctx context.Context, blocker, blocked string) error {
	return s.change(ctx, "block", `INSERT INTO blocks (created_at, blocker_id, blocked_id) VALUES (?, ?, ?)
		ON CONFLICT (blocker_id, blocked_id) DO NOTHING`, store.Now(), blocker, blocked)
}

func (s *Service) dropBlock(ctx context.Context, blocker, blocked string) error {
	return s.change(ctx, "unblock", "DELETE FROM blocks WHERE blocker_id = ? AND blocked_id = ?", blocker, blocked)
}

// addLike and dropLike tell by how much they change the likes of a post.
func (s *Service) addLike(ctx context.Context, viewer, post string) (int64, error) {
	return s.changed(ctx, "like a post", "INSERT INTO post_likes (created_at, post_id, user_id) VALUES (?, ?, ?) ON CONFLICT (post_id, user_id) DO NOTHING",
		store.Now(), post, viewer)
}

func (s *Service) dropLike(ctx context.Context, viewer, post string) (int64, error) {
	n, err := s.changed(ctx, "unlike a post", "DELETE FROM post_likes WHERE post_id = ? AND user_id = ?", post, viewer)
	return -n, err
}

func (s *Service) countLikes(ctx context.Context, post string, by int64) error {
	return s.change(ctx, "count likes", "UPDATE posts SET like_count = like_count + ? WHERE id = ?", by, post)
}

func (s *Service) addReport(ctx context.Context, reporter, post, reason string) error {
	return s.change(ctx, "report a post", `INSERT INTO post_reports (id, created_at, post_id, reporter_id, reason) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (post_id, reporter_id) DO UPDATE SET reason = excluded.reason`, store.NewID(prefixReport), store.Now(), post, reporter, reason)
}

// saveProfile makes the profile of an account, or changes it.
func (s *Service) saveProfile(ctx context.Context, account string, in ProfileInput, system bool) error {
	now, name := store.Now(), in.named()
	_, err := s.store.Exec(ctx, `INSERT INTO profiles (id, created_at, updated_at, handle, handle_key, display_name, name_key, system)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at, handle = excluded.handle,
		handle_key = excluded.handle_key, display_name = excluded.display_name, name_key = excluded.name_key`,
		account, now, now, in.Handle, fold(in.Handle), name, fold(name), system)
	return err
}

// moveMark moves the mark of an account and tells whether it did: it does not go back.
func (s *Service) moveMark(ctx context.Context, account string, until, at time.Time) (bool, error) {
	n, err := s.changed(ctx, "mark a feed", `INSERT INTO feed_marks (id, until, marked_at) VALUES (?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET until = excluded.until, marked_at = excluded.marked_at WHERE excluded.until >= feed_marks.until`, account, until, at)
	return n > 0, err
}

// deletePosts removes posts with what hangs on them, and tells how many there were.
func (s *Service) deletePosts(ctx context.Context, ids []string) (int64, error) {
	in, list := store.Among(s.store, "id", ids)
	n, err := s.changed(ctx, "delete posts", "DELETE FROM posts WHERE "+in, list)
	if err != nil {
		return 0, err
	}
	in, list = store.Among(s.store, "post_id", ids)
	for _, table := range []string{"post_likes", "post_reports", "timeline_entries"} {
		if err := s.change(ctx, "delete what hangs on posts", "DELETE FROM "+table+" WHERE "+in, list); err != nil {
			return 0, err
		}
	}
	return n, nil
}
