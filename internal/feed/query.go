package feed

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"parley/ent/gen"
	"parley/internal/auth"
	"parley/internal/page"
	"parley/internal/store"
)

// Privacy rules do not reach these statements: each names the viewer where it matters.

// columns are those of a post p, in the order of scanPost.
const columns = "p.id, p.author_id, p.title, p.content, p.media_id, p.like_count, p.created_at, p.version"

func scanPost(rows *sql.Rows) (*gen.Post, error) {
	p := &gen.Post{}
	err := rows.Scan(&p.ID, &p.AuthorID, &p.Title, &p.Content, &p.MediaID, &p.LikeCount, &p.CreatedAt, &p.Version)
	p.CreatedAt = p.CreatedAt.UTC()
	return p, err
}

// posts runs a statement that selects columns.
func (s *Service) posts(ctx context.Context, query string, args ...any) (all []*gen.Post, err error) {
	err = s.store.Query(ctx, func(rows *sql.Rows) error {
		p, err := scanPost(rows)
		all = append(all, p)
		return err
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read posts: %w", err)
	}
	return all, nil
}

// unblocked gives the condition that neither the viewer nor an author, who is in a column,
// blocked the other, and its arguments.
func unblocked(column, viewer string) (string, []any) {
	return ` NOT EXISTS (SELECT 1 FROM blocks WHERE blocker_id = ? AND blocked_id = ` + column + `)
		AND NOT EXISTS (SELECT 1 FROM blocks WHERE blocker_id = ` + column + ` AND blocked_id = ?)`, []any{viewer, viewer}
}

// seen gives the condition that the viewer sees the posts p, and its arguments. Admins see
// all.
func seen(viewer auth.Viewer) (string, []any) {
	if viewer.Admin() || viewer.System() {
		return " TRUE", nil
	}
	return unblocked("p.author_id", viewer.ID)
}

// Get gives a post that the viewer may see, or NOT_FOUND.
func (s *Service) Get(ctx context.Context, id string) (*gen.Post, error) {
	if err := store.CheckID(prefix, id, "id"); err != nil {
		return nil, err
	}
	found, err := s.ByID(ctx, []string{id})
	if err == nil && found[id] == nil {
		err = missing()
	}
	if err != nil {
		return nil, err
	}
	return found[id], nil
}

// ByID gives those of the posts that the viewer may see, by id.
func (s *Service) ByID(ctx context.Context, ids []string) (map[string]*gen.Post, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	among, list := store.Among(s.store, "p.id", ids)
	where, args := seen(viewer)
	all, err := s.posts(ctx, "SELECT "+columns+" FROM posts p WHERE "+among+" AND"+where, append([]any{list}, args...)...)
	if err != nil {
		return nil, err
	}
	found := make(map[string]*gen.Post, len(all))
	for _, p := range all {
		found[p.ID] = p
	}
	return found, nil
}

// lockPost gives a post that the viewer may see, locked until the end of the transaction.
func (s *Service) lockPost(ctx context.Context, viewer auth.Viewer, id string) (*gen.Post, error) {
	where, args := seen(viewer)
	all, err := s.posts(ctx, "SELECT "+columns+" FROM posts p WHERE p.id = ? AND"+where+s.store.ForUpdate(), append([]any{id}, args...)...)
	if err == nil && len(all) == 0 {
		err = missing()
	}
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// keyOf gives the place of a post in lists.
func keyOf(p *gen.Post) page.Key { return page.Key{At: p.CreatedAt, ID: p.ID} }

// Posts gives a page of an author's posts, of the viewer's where no author is named.
func (s *Service) Posts(ctx context.Context, author *string, args page.Args) (*page.Page[*gen.Post], error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	if author == nil {
		author = &viewer.ID
	}
	if err := store.CheckID(prefixUser, *author, "author"); err != nil {
		return nil, err
	}
	where, whereArgs := seen(viewer)
	index := page.Index{Fixed: []string{"p.author_id"}, Time: "p.created_at", ID: "p.id", Closed: true}
	return page.Newest(args, "posts", keyOf,
		func(span page.Span) ([]*gen.Post, error) {
			end, args := span.SQL(index, []any{*author}, whereArgs)
			return s.posts(ctx, "SELECT "+columns+" FROM posts p WHERE"+where+end, args...)
		},
		func() (int, error) {
			return s.number(ctx, "SELECT COUNT(*) FROM posts p WHERE p.author_id = ? AND"+where, append([]any{*author}, whereArgs...)...)
		},
	)
}

// number runs a statement that selects one number.
func (s *Service) number(ctx context.Context, query string, args ...any) (n int, err error) {
	if err := s.store.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&n) }, query, args...); err != nil {
		return 0, fmt.Errorf("count in a feed: %w", err)
	}
	return n, nil
}

// exists tells whether a statement selects something.
func (s *Service) exists(ctx context.Context, query string, args ...any) (bool, error) {
	n, err := s.number(ctx, query, args...)
	return n > 0, err
}

// known tells whether there is an account, or a profile that ships with parley.
func (s *Service) known(ctx context.Context, account string) (bool, error) {
	return s.exists(ctx, "SELECT 1 FROM users WHERE id = ? UNION ALL SELECT 1 FROM profiles WHERE id = ? AND system", account, account)
}

// blocked tells whether one of two accounts blocked the other.
func (s *Service) blocked(ctx context.Context, a, b string) (bool, error) {
	return s.exists(ctx, "SELECT 1 FROM blocks WHERE blocker_id = ? AND blocked_id = ? UNION ALL SELECT 1 FROM blocks WHERE blocker_id = ? AND blocked_id = ?", a, b, b, a)
}

// among gives those of the values of a column that a statement selects.
func (s *Service) among(ctx context.Context, query, column string, viewer string, ids []string) (map[string]bool, error) {
	condition, list := store.Among(s.store, column, ids)
	found := map[string]bool{}
	err := s.store.Query(ctx, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		found[id] = true
		return err
	}, query+condition, viewer, list)
	if err != nil {
		return nil, fmt.Errorf("read what the viewer has to do with it: %w", err)
	}
	return found, nil
}

// Liked gives those of the posts that the viewer likes.
func (s *Service) Liked(ctx context.Context, ids []string) (map[string]bool, error) {
	return s.mine(ctx, "SELECT post_id FROM post_likes WHERE user_id = ? AND ", "post_id", ids)
}

// Followed gives those of the accounts that the viewer follows.
func (s *Service) Followed(ctx context.Context, ids []string) (map[string]bool, error) {
	return s.mine(ctx, "SELECT followee_id FROM follows WHERE follower_id = ? AND ", "followee_id", ids)
}

// Blocked gives those of the accounts that the viewer blocked.
func (s *Service) Blocked(ctx context.Context, ids []string) (map[string]bool, error) {
	return s.mine(ctx, "SELECT blocked_id FROM blocks WHERE blocker_id = ? AND ", "blocked_id", ids)
}

func (s *Service) mine(ctx context.Context, query, column string, ids []string) (map[string]bool, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	return s.among(ctx, query, column, viewer.ID, ids)
}

// markOf gives how far an account has seen its feed.
func (s *Service) markOf(ctx context.Context, account string) (m mark, err error) {
	err = s.store.Query(ctx, func(rows *sql.Rows) error {
		var until, at time.Time
		err := rows.Scan(&until, &at)
		until, at = until.UTC(), at.UTC()
		m = mark{&until, &at}
		return err
	}, "SELECT until, marked_at FROM feed_marks WHERE id = ?", account)
	if err != nil {
		return mark{}, fmt.Errorf("read how far a feed was seen: %w", err)
	}
	return m, nil
}

// followees gives whom an account follows.
func (s *Service) followees(ctx context.Context, account string) ([]string, error) {
	return s.texts(ctx, "SELECT followee_id FROM follows WHERE follower_id = ?", account)
}

// taken tells whether somebody has a handle.
func (s *Service) taken(ctx context.Context, handle string) (bool, error) {
	return s.exists(ctx, "SELECT 1 FROM profiles WHERE handle_key = ?", fold(handle))
}
