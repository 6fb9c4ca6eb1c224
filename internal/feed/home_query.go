package feed

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"parley/ent/gen"
	"parley/internal/page"
)

// These are the ways to read a feed. All of them give what is in the tables of posts,
// follows and blocks at that moment.

// whose tells whose posts to read.
type whose string

// The authors whose posts a feed holds, as conditions on follows.
const (
	// everyone is all whom the viewer follows, and the viewer.
	everyone whose = ""
	// notCopied is those of them whose posts are not copied into timelines, and the viewer.
	notCopied whose = " AND merged"
	// copied is the others.
	copied whose = " AND NOT merged"
)

// authors gives a table of authors whom the viewer does not block nor is blocked by, and its
// arguments.
func (w whose) authors(viewer string) (string, []any) {
	where, args := unblocked("followee_id", viewer)
	from := "(SELECT followee_id AS id FROM follows WHERE follower_id = ?" + string(w) + " AND" + where
	args = append([]any{viewer}, args...)
	if w != copied {
		from += " UNION ALL SELECT " + own
		args = append(args, viewer)
	}
	return from + ") a", args
}

// own is an argument that is a text for Postgres, too, where it stands alone.
const own = "CAST(? AS VARCHAR)"

// bounds gives the conditions that bound a span, on two columns.
func bounds(span page.Span, at, id string) (where string, args []any) {
	if span.After != nil {
		where += " AND (" + at + ", " + id + ") < (?, ?)"
		args = append(args, span.After.At, span.After.ID)
	}
	if span.Before != nil {
		where += " AND (" + at + ", " + id + ") > (?, ?)"
		args = append(args, span.Before.At, span.Before.ID)
	}
	return where, args
}

// order gives the end of a statement that reads a span.
func order(span page.Span, at, id string) string {
	direction := " DESC"
	if span.Backward {
		direction = ""
	}
	return " ORDER BY " + at + direction + ", " + id + direction + " LIMIT ?"
}

// ofAuthors gives the posts of a span from those of its authors: a few of each, by the index
// of an author's posts, and of these the first.
func (s *Service) ofAuthors(ctx context.Context, viewer string, w whose, span page.Span) ([]*gen.Post, error) {
	from, args := w.authors(viewer)
	where, bound := bounds(span, "q.created_at", "q.id")
	args = append(append(args, bound...), span.Limit, span.Limit)
	few := " FROM posts q WHERE q.author_id = a.id" + where + order(span, "q.created_at", "q.id")
	query := "SELECT " + columns + " FROM " + from
	if s.store.Postgres() {
		query += " CROSS JOIN LATERAL (SELECT *" + few + ") p"
	} else {
		query += " CROSS JOIN posts p WHERE p.id IN (SELECT q.id" + few + ")"
	}
	return s.posts(ctx, query+order(span, "p.created_at", "p.id"), args...)
}

func (s *Service) countOfAuthors(ctx context.Context, viewer string, w whose, span page.Span) (int, error) {
	from, args := w.authors(viewer)
	where, bound := bounds(span, "p.created_at", "p.id")
	return s.number(ctx, "SELECT COUNT(*) FROM "+from+" JOIN posts p ON p.author_id = a.id WHERE TRUE"+where, append(args, bound...)...)
}

// timeline is where copied posts are read from: entries whose post is still there, and
// whose author the viewer still follows. What is left over is passed over. The follow is a
// value and no EXISTS, which Postgres might join: with all whom the viewer follows, where a
// page needs a few.
const timeline = ` FROM timeline_entries e JOIN posts p ON p.id = e.post_id WHERE (
	SELECT NOT merged FROM follows WHERE follower_id = e.user_id AND followee_id = e.author_id) AND`

var timelineIndex = page.Index{Fixed: []string{"e.user_id"}, Time: "e.created_at", ID: "e.post_id", Closed: true}

// ofTimeline gives the posts of a span that were copied into a timeline.
func (s *Service) ofTimeline(ctx context.Context, viewer string, span page.Span) ([]*gen.Post, error) {
	where, args := unblocked("e.author_id", viewer)
	end, args := span.SQL(timelineIndex, []any{viewer}, args)
	return s.posts(ctx, "SELECT "+columns+timeline+where+end, args...)
}

func (s *Service) countOfTimeline(ctx context.Context, viewer string, span page.Span) (int, error) {
	where, args := unblocked("e.author_id", viewer)
	bound, more := bounds(span, "e.created_at", "e.post_id")
	return s.number(ctx, "SELECT COUNT(*)"+timeline+where+" AND e.user_id = ?"+bound, append(append(args, viewer), more...)...)
}

// unseenOlder counts the posts that are not newer than a mark and whose authors are followed
// only since it was set.
func (s *Service) unseenOlder(ctx context.Context, viewer string, m mark) (int, error) {
	if m.until == nil || m.at == nil {
		return 0, nil
	}
	where, args := unblocked("p.author_id", viewer)
	return s.number(ctx, `SELECT COUNT(*) FROM follows f JOIN posts p ON p.author_id = f.followee_id
		WHERE f.follower_id = ? AND f.created_at > ? AND p.created_at <= ? AND`+where, append([]any{viewer, *m.at, *m.until}, args...)...)
}

// floorOf gives the time above which a timeline is whole: never for one that there is not.
func (s *Service) floorOf(ctx context.Context, account string) (floor time.Time, err error) {
	floor = never
	err = s.store.Query(ctx, func(rows *sql.Rows) error {
		err := rows.Scan(&floor)
		floor = floor.UTC()
		return err
	}, "SELECT created_at FROM timeline_entries WHERE post_id = '' AND user_id = ?", account)
	if err != nil {
		return never, fmt.Errorf("read the floor of a timeline: %w", err)
	}
	return floor, nil
}
