package feed

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"parley/ent/gen"
	"parley/ent/gen/post"
	"parley/internal/auth"
	"parley/internal/indexing"
)

// SourcePosts is the name under which the vectors of posts are kept.
const SourcePosts = "post"

// Watch has w told of every post that comes or goes from now on. It is called before the
// service is used.
func (s *Service) Watch(w indexing.Watcher) { s.watcher = w }

func (s *Service) tell(ctx context.Context, gone bool, ids ...string) error {
	if s.watcher == nil || len(ids) == 0 {
		return nil
	}
	return s.watcher(ctx, gone, ids...)
}

// Source gives posts to those who keep their vectors: each by its title and the beginning
// of its text. Who sees a post is asked when it is found.
func (s *Service) Source() indexing.Source {
	return indexing.Source{
		Name: SourcePosts, Sides: []indexing.Side{indexing.Words},
		Page: func(ctx context.Context, after string, limit int) ([]indexing.Item, error) {
			rows, err := s.store.Client(ctx).Post.Query().Where(post.IDGT(after)).Order(post.ByID()).Limit(limit).All(ctx)
			if err != nil {
				return nil, fmt.Errorf("read posts: %w", err)
			}
			items := make([]indexing.Item, len(rows))
			for i, p := range rows {
				items[i] = item(p)
			}
			return items, nil
		},
		ByID: func(ctx context.Context, ids []string) (map[string]indexing.Item, error) {
			rows, err := s.store.Client(ctx).Post.Query().Where(post.IDIn(ids...)).All(ctx)
			if err != nil {
				return nil, fmt.Errorf("read posts: %w", err)
			}
			items := make(map[string]indexing.Item, len(rows))
			for _, p := range rows {
				items[p.ID] = item(p)
			}
			return items, nil
		},
	}
}

// sample is how many bytes of a text are looked at: more than a model reads.
const sample = 4096

// item says of a post what does not change: likes make no other one of it.
func item(p *gen.Post) indexing.Item {
	return indexing.Item{ID: p.ID, Version: 1, Text: p.Title + "\n" + strings.ToValidUTF8(p.Content[:min(len(p.Content), sample)], "")}
}

// Bounds of a search by words.
const (
	mostWords = 16
	// searched is how many of the newest posts are looked through.
	searched = 10_000
)

// WithWords gives the ids of posts that the viewer may see and that have some of the words,
// those with the most of them first and then the newest.
func (s *Service) WithWords(ctx context.Context, words []string, limit int) (ids []string, err error) {
	viewer, err := auth.Require(ctx)
	if err != nil || len(words) == 0 {
		return nil, err
	}
	position := "instr"
	if s.store.Postgres() {
		position = "strpos"
	}
	var sum strings.Builder
	var args []any
	for i, w := range words[:min(len(words), mostWords)] {
		if i > 0 {
			sum.WriteString(" + ")
		}
		sum.WriteString("CASE WHEN " + position + "(p.search_key, ?) > 0 THEN 1 ELSE 0 END")
		args = append(args, string(fold(w)))
	}
	where, more := seen(viewer)
	err = s.store.Query(ctx, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}, "SELECT p.id FROM (SELECT p.id, p.author_id, p.created_at, "+sum.String()+
		" AS found FROM (SELECT * FROM posts ORDER BY created_at DESC, id DESC LIMIT ?) p) p WHERE p.found > 0 AND"+where+
		" ORDER BY p.found DESC, p.created_at DESC, p.id DESC LIMIT ?",
		append(append(append(args, searched), more...), limit)...)
	if err != nil {
		return nil, fmt.Errorf("find posts by words: %w", err)
	}
	return ids, nil
}
