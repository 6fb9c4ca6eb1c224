package feed

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"parley/ent/gen"
	"parley/internal/store"
)

// How much is looked at for recommendations: the latest follows of the viewer, what these like
// and whom they follow, and posts of each source.
const (
	recommendFollows = 200
	recommendTies    = 2000
	recommendPosts   = 500
)

// candidates are posts that may be recommended, with what speaks for them.
type candidates struct {
	posts map[string]*gen.Post
	// likers are those whom the viewer follows who like a post, fans those who follow an
	// author. likes counts all likes of a post.
	likers, fans map[string][]string
	likes        map[string]int
}

// candidates gives what was there at a time of what may be recommended to a viewer.
func (s *Service) candidates(ctx context.Context, viewer string, asOf time.Time) (*candidates, error) {
	c := &candidates{posts: map[string]*gen.Post{}, likes: map[string]int{}}
	since := asOf.Add(-recommendWithin)
	followed, err := s.texts(ctx, "SELECT followee_id FROM follows WHERE follower_id = ? AND created_at <= ? ORDER BY created_at DESC, followee_id DESC LIMIT ?",
		viewer, asOf, recommendFollows)
	if err != nil {
		return nil, err
	}
	among, list := store.Among(s.store, "user_id", followed)
	c.likers, err = s.ties(ctx, "SELECT post_id, user_id FROM post_likes WHERE "+among+
		" AND created_at > ? AND created_at <= ? ORDER BY created_at DESC, post_id DESC, user_id LIMIT ?", list, since, asOf, recommendTies)
	if err != nil {
		return nil, err
	}
	among, list = store.Among(s.store, "follower_id", followed)
	c.fans, err = s.ties(ctx, "SELECT followee_id, follower_id FROM follows WHERE "+among+
		" AND created_at > ? AND created_at <= ? ORDER BY created_at DESC, followee_id DESC, follower_id LIMIT ?", list, always, asOf, recommendTies)
	if err != nil {
		return nil, err
	}
	liked, likedList := store.Among(s.store, "p.id", keys(c.likers))
	by, byList := store.Among(s.store, "p.author_id", keys(c.fans))
	for _, source := range []struct {
		where string
		args  []any
	}{{" AND " + liked, []any{likedList}}, {" AND " + by, []any{byList}}, {"", nil}} {
		if err := s.addCandidates(ctx, c, viewer, since, asOf, source.where, source.args); err != nil {
			return nil, err
		}
	}
	return c, s.countCandidates(ctx, c, asOf)
}

// addCandidates adds the newest posts of a source that are new to the viewer.
func (s *Service) addCandidates(ctx context.Context, c *candidates, viewer string, since, asOf time.Time, where string, args []any) error {
	seen, blocks := unblocked("p.author_id", viewer)
	all := append([]any{since, asOf, viewer, viewer, viewer}, blocks...)
	found, err := s.posts(ctx, "SELECT "+columns+` FROM posts p WHERE p.created_at > ? AND p.created_at <= ? AND p.author_id <> ?
		AND NOT EXISTS (SELECT 1 FROM follows WHERE follower_id = ? AND followee_id = p.author_id)
		AND NOT EXISTS (SELECT 1 FROM post_likes WHERE user_id = ? AND post_id = p.id) AND`+seen+where+
		" ORDER BY p.created_at DESC, p.id DESC LIMIT ?", append(append(all, args...), recommendPosts)...)
	for _, p := range found {
		c.posts[p.ID] = p
	}
	return err
}

func (s *Service) countCandidates(ctx context.Context, c *candidates, asOf time.Time) error {
	among, list := store.Among(s.store, "post_id", keys(c.posts))
	err := s.store.Query(ctx, func(rows *sql.Rows) error {
		var id string
		var n int
		err := rows.Scan(&id, &n)
		c.likes[id] = n
		return err
	}, "SELECT post_id, COUNT(*) FROM post_likes WHERE "+among+" AND created_at <= ? GROUP BY post_id", list, asOf)
	if err != nil {
		return fmt.Errorf("count likes: %w", err)
	}
	return nil
}

// ties runs a statement that selects pairs, and gives the second ones by the first.
func (s *Service) ties(ctx context.Context, query string, args ...any) (map[string][]string, error) {
	found := map[string][]string{}
	err := s.store.Query(ctx, func(rows *sql.Rows) error {
		var a, b string
		err := rows.Scan(&a, &b)
		found[a] = append(found[a], b)
		return err
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read what the followed like and whom they follow: %w", err)
	}
	return found, nil
}

func keys[V any](m map[string]V) []string {
	all := make([]string, 0, len(m))
	for k := range m {
		all = append(all, k)
	}
	return all
}
