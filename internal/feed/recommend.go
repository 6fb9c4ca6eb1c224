package feed

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/page"
	"parley/internal/store"
)

// Recommended is a post of somebody whom the viewer does not follow, and why it is shown.
type Recommended struct {
	Post *gen.Post
	// Score is what the reasons add up to.
	Score   int
	Reasons []*Reason
}

// Reason is a part of a score.
type Reason struct {
	Kind          ReasonKind
	Weight, Value int
	// Profiles are some of those who are meant.
	Profiles []*Profile
	who      []string
}

// ReasonKind is what kind of reason it is.
type ReasonKind string

// The kinds of reason.
const (
	LikedByFollowed          ReasonKind = "LIKED_BY_FOLLOWED"
	AuthorFollowedByFollowed ReasonKind = "AUTHOR_FOLLOWED_BY_FOLLOWED"
	Likes                    ReasonKind = "LIKES"
	Age                      ReasonKind = "AGE"
)

// What the reasons count, and how many of the followed count at most.
var weights = map[ReasonKind]int{LikedByFollowed: 6, AuthorFollowedByFollowed: 4, Likes: 2, Age: -1}

const (
	mostFollowed  = 5
	shownFollowed = 3
	// recommendWithin is how old a recommended post is at most, ageStep what counts as one.
	recommendWithin = 14 * 24 * time.Hour
	ageStep         = 12 * time.Hour
)

// Recommend gives a page of posts of authors whom the viewer does not follow, ranked as of
// the time of the first page: what is published, liked or followed later moves nothing.
func (s *Service) Recommend(ctx context.Context, first *int, after *string) (*page.Page[*Recommended], error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	size := page.Usual
	if first != nil {
		size = *first
	}
	if size < 0 || size > page.Most {
		return nil, apperr.Argument("first", "A page has 0 to %d items.", page.Most)
	}
	from := rank{asOf: store.Now()}
	if after != nil {
		if from, err = parseRank(*after); err != nil {
			return nil, err
		}
	}
	all, err := s.ranked(ctx, viewer.ID, from.asOf)
	if err != nil {
		return nil, err
	}
	if after != nil {
		all = slices.DeleteFunc(all, func(r *Recommended) bool { return from.compare(r) <= 0 })
	}
	p := &page.Page[*Recommended]{HasNext: len(all) > size, HasPrevious: after != nil}
	for _, r := range all[:min(size, len(all))] {
		p.Edges = append(p.Edges, page.Edge[*Recommended]{Node: r, Cursor: rankOf(r, from.asOf).String()})
	}
	return p, s.name(ctx, p)
}

// ranked gives all that may be recommended to a viewer, as of a time, the highest score first.
func (s *Service) ranked(ctx context.Context, viewer string, asOf time.Time) ([]*Recommended, error) {
	c, err := s.candidates(ctx, viewer, asOf)
	if err != nil {
		return nil, err
	}
	all := make([]*Recommended, 0, len(c.posts))
	for _, p := range c.posts {
		r := &Recommended{Post: p}
		r.because(LikedByFollowed, min(len(c.likers[p.ID]), mostFollowed), c.likers[p.ID])
		r.because(AuthorFollowedByFollowed, min(len(c.fans[p.AuthorID]), mostFollowed), c.fans[p.AuthorID])
		r.because(Likes, bits.Len(uint(max(c.likes[p.ID], 0))), nil)
		r.because(Age, int(asOf.Sub(p.CreatedAt)/ageStep), nil)
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *Recommended) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), compare(keyOf(b.Post), keyOf(a.Post)))
	})
	return all, nil
}

// because adds a reason, where there is something of it.
func (r *Recommended) because(kind ReasonKind, value int, who []string) {
	if value <= 0 {
		return
	}
	slices.Sort(who)
	r.Score += weights[kind] * value
	r.Reasons = append(r.Reasons, &Reason{Kind: kind, Weight: weights[kind], Value: value, who: who[:min(len(who), shownFollowed)]})
}

// name looks up those who are meant by the reasons of a page.
func (s *Service) name(ctx context.Context, p *page.Page[*Recommended]) error {
	var ids []string
	for _, e := range p.Edges {
		for _, r := range e.Node.Reasons {
			ids = append(ids, r.who...)
		}
	}
	found, err := s.Profiles(ctx, ids)
	if err != nil {
		return err
	}
	for _, e := range p.Edges {
		for _, r := range e.Node.Reasons {
			for _, id := range r.who {
				r.Profiles = append(r.Profiles, found[id])
			}
		}
	}
	return nil
}

// rank is a place among recommendations.
type rank struct {
	// asOf is when they were ranked.
	asOf  time.Time
	score int
	key   page.Key
}

func rankOf(r *Recommended, asOf time.Time) rank { return rank{asOf, r.Score, keyOf(r.Post)} }

// compare tells whether a recommendation comes after the place (1), or before it or at it.
func (r rank) compare(other *Recommended) int {
	return cmp.Or(cmp.Compare(r.score, other.Score), compare(r.key, keyOf(other.Post)))
}

const rankMark = "rc1"

// String gives the opaque form of a place.
func (r rank) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprintf("%s.%d.%d.%d.%s", rankMark, r.asOf.UnixMicro(), r.score, r.key.At.UnixMicro(), r.key.ID)))
}

// parseRank reads what String gave, and nothing else.
func parseRank(s string) (rank, error) {
	bad := apperr.Argument("after", "This is not a place among recommendations.")
	raw, err := base64.RawURLEncoding.DecodeString(s)
	parts := strings.Split(string(raw), ".")
	if err != nil || len(parts) != 5 || parts[0] != rankMark {
		return rank{}, bad
	}
	var numbers [3]int64
	for i := range numbers {
		if numbers[i], err = strconv.ParseInt(parts[i+1], 10, 64); err != nil {
			return rank{}, bad
		}
	}
	r := rank{time.UnixMicro(numbers[0]).UTC(), int(numbers[1]), page.Key{At: time.UnixMicro(numbers[2]).UTC(), ID: parts[4]}}
	if r.String() != s || r.asOf.After(store.Now().Add(time.Minute)) || r.asOf.Before(always.Add(recommendWithin)) {
		return rank{}, bad
	}
	return r, nil
}
