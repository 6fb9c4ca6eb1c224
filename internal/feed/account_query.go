package feed

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"parley/ent/gen"
	"parley/internal/domain"
	"parley/internal/page"
)

// Some of what is to be deleted of an account.
const (
	someLikes     = "SELECT post_id FROM post_likes WHERE user_id = ? ORDER BY post_id LIMIT ?"
	someFollows   = "SELECT followee_id FROM follows WHERE follower_id = ? ORDER BY followee_id LIMIT ?"
	someFollowers = "SELECT follower_id FROM follows WHERE followee_id = ? ORDER BY follower_id LIMIT ?"
)

// oldestOf gives some posts of an author.
func (s *Service) oldestOf(ctx context.Context, author string, limit int) ([]*gen.Post, error) {
	return s.posts(ctx, "SELECT "+columns+" FROM posts p WHERE p.author_id = ? ORDER BY p.created_at, p.id LIMIT ?", author, limit)
}

// texts runs a statement that selects texts.
func (s *Service) texts(ctx context.Context, query string, args ...any) (all []string, err error) {
	err = s.store.Query(ctx, func(rows *sql.Rows) error {
		var text string
		err := rows.Scan(&text)
		all = append(all, text)
		return err
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read of an account: %w", err)
	}
	return all, nil
}

// deleteRows deletes what nobody else is told of, and tells how much that was.
func (s *Service) deleteRows(ctx context.Context, account string) (int, error) {
	deleted := 0
	for _, where := range []string{
		"blocks WHERE blocker_id", "blocks WHERE blocked_id", "post_reports WHERE reporter_id", "timeline_entries WHERE user_id", "profiles WHERE id", "feed_marks WHERE id", "feed_authors WHERE id",
	} {
		n, err := s.changed(ctx, "delete of an account", "DELETE FROM "+where+" = ?", account)
		if err != nil {
			return 0, err
		}
		deleted += int(n)
	}
	return deleted, nil
}

func (s *Service) exportPosts(ctx context.Context, account string, write domain.Write) error {
	return page.All(accountStep,
		func(after string, limit int) ([]*gen.Post, error) {
			return s.posts(ctx, "SELECT "+columns+" FROM posts p WHERE p.author_id = ? AND p.id > ? ORDER BY p.id LIMIT ?", account, after, limit)
		},
		func(p *gen.Post) string { return p.ID },
		func(p *gen.Post) error {
			row := exportedPost{ID: p.ID, Title: p.Title, Content: p.Content, LikeCount: p.LikeCount, CreatedAt: p.CreatedAt}
			if p.MediaID != nil {
				found, err := s.Pictures(ctx, []string{*p.MediaID})
				if err != nil {
					return err
				}
				row.ImageURL = found[*p.MediaID]
			}
			return write("Post", row)
		})
}

// tied is another account or a post, and since when something is between it and an account.
type tied struct {
	id string
	at time.Time
}

// exportTies writes whom an account follows and blocks, and what it likes.
func (s *Service) exportTies(ctx context.Context, account string, write domain.Write) error {
	for _, one := range []struct {
		kind, from, where string
		row               func(tied) any
	}{
		{"Follow", "followee_id, created_at FROM follows", "follower_id = ? AND followee_id", func(t tied) any { return exportedTie{t.id, t.at} }},
		{"Block", "blocked_id, created_at FROM blocks", "blocker_id = ? AND blocked_id", func(t tied) any { return exportedTie{t.id, t.at} }},
		{"PostLike", "post_id, created_at FROM post_likes", "user_id = ? AND post_id", func(t tied) any { return exportedLike{t.id, t.at} }},
	} {
		read := func(after string, limit int) (all []tied, err error) {
			err = s.store.Query(ctx, func(rows *sql.Rows) error {
				var t tied
				err := rows.Scan(&t.id, &t.at)
				t.at = t.at.UTC()
				all = append(all, t)
				return err
			}, "SELECT "+one.from+" WHERE "+one.where+" > ? ORDER BY 1 LIMIT ?", account, after, limit)
			return all, err
		}
		err := page.All(accountStep, read, func(t tied) string { return t.id }, func(t tied) error { return write(one.kind, one.row(t)) })
		if err != nil {
			return fmt.Errorf("export of a feed: %w", err)
		}
	}
	return nil
}

func (s *Service) exportReports(ctx context.Context, account string, write domain.Write) error {
	type report struct {
		id string
		exportedReport
	}
	return page.All(accountStep,
		func(after string, limit int) (all []report, err error) {
			err = s.store.Query(ctx, func(rows *sql.Rows) error {
				var r report
				err := rows.Scan(&r.id, &r.PostID, &r.Reason, &r.CreatedAt)
				r.CreatedAt = r.CreatedAt.UTC()
				all = append(all, r)
				return err
			}, "SELECT id, post_id, reason, created_at FROM post_reports WHERE reporter_id = ? AND id > ? ORDER BY id LIMIT ?", account, after, limit)
			return all, err
		},
		func(r report) string { return r.id },
		func(r report) error { return write("PostReport", r.exportedReport) })
}
