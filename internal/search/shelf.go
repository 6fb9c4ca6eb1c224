package search

import (
	"context"
	"hash/fnv"
	"slices"
	"sync"
	"sync/atomic"

	"parley/ent/gen/sticker"
	"parley/internal/auth"
	"parley/internal/search/lexicon"
	domain "parley/internal/sticker"
)

// The weights of the words of a sticker by where they stand.
const (
	captionWeight = 2
	nameWeight    = 1
	tagWeight     = 1
)

// shelfPage is how many stickers are read at a time.
const shelfPage = 1000

// card is a sticker on the shelf. It is not changed.
type card struct {
	*domain.Sticker
	// owner is empty for a public one.
	owner string
	words []string
	tags  map[string]bool
}

// viewer is who searches: an account, or nobody.
type viewer struct{ id string }

// viewerOf gives who searches. A key bears its owner's id and sees what nobody in particular
// sees.
func viewerOf(ctx context.Context) viewer {
	if v, _ := auth.From(ctx); v.Key == "" {
		return viewer{v.ID}
	}
	return viewer{}
}

func (v viewer) sees(c *card) bool { return c.owner == "" || c.owner == v.id }

// scope gives the viewer to whom the same is shown: everybody who has no private stickers
// sees what nobody in particular sees.
func (s *Shelf) scope(v viewer) viewer {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if _, ok := s.scopes[v.id]; ok {
		return v
	}
	return viewer{}
}

// Shelf holds all stickers in the memory of a process, and follows what changes of them.
type Shelf struct {
	Stickers *domain.Service
	Watch    Watch

	mu    sync.RWMutex
	cards map[string]*card
	// scopes have the words of the public stickers, under "", and of each owner's
	// private ones: how rare a word is would tell of all that is in a lexicon.
	scopes map[string]*lexicon.Lexicon
	// revision counts changes.
	revision atomic.Int64

	// refreshing keeps an older reading from overtaking a newer one.
	refreshing sync.Mutex
	loaded     chan struct{}
	once       sync.Once
}

// NewShelf makes an empty shelf, which Run fills.
func NewShelf(stickers *domain.Service, watch Watch) *Shelf {
	return &Shelf{
		Stickers: stickers, Watch: watch,
		cards: map[string]*card{}, scopes: map[string]*lexicon.Lexicon{"": lexicon.New()}, loaded: make(chan struct{}),
	}
}

// Run follows until ctx ends.
func (s *Shelf) Run(ctx context.Context) error {
	return s.Watch.follow(auth.System(ctx, "search.follow"), "stickers", 0, s.follow)
}

func (s *Shelf) follow(ctx context.Context, ids []string, all bool) error {
	if !all {
		return s.Refresh(ctx, ids...)
	}
	if err := s.reload(ctx); err != nil {
		return err
	}
	s.once.Do(func() { close(s.loaded) })
	return nil
}

// Wait waits until all stickers were read.
func (s *Shelf) Wait(ctx context.Context) error {
	select {
	case <-s.loaded:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Refresh reads stickers anew; those that are gone leave the shelf.
func (s *Shelf) Refresh(ctx context.Context, ids ...string) error {
	ctx = auth.System(ctx, "search.follow")
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	for part := range slices.Chunk(ids, shelfPage) {
		found, err := s.Stickers.ByID(ctx, part)
		if err != nil {
			return err
		}
		s.change(func() {
			for _, id := range part {
				if row, ok := found[id]; ok {
					s.put(row)
				} else {
					s.remove(id)
				}
			}
		})
	}
	return nil
}

// reload reads all stickers.
func (s *Shelf) reload(ctx context.Context) error {
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	known := map[string]bool{}
	for after := ""; ; {
		rows, err := s.Stickers.Page(ctx, after, shelfPage)
		if err != nil {
			return err
		}
		s.change(func() {
			for _, row := range rows {
				known[row.ID] = true
				if c := s.cards[row.ID]; c == nil || c.Version != row.Version {
					s.put(row)
				}
			}
		})
		if len(rows) < shelfPage {
			break
		}
		after = rows[len(rows)-1].ID
	}
	s.change(func() {
		for id := range s.cards {
			if !known[id] {
				s.remove(id)
			}
		}
	})
	return nil
}

func (s *Shelf) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	for _, l := range s.scopes {
		l.Sort()
	}
	s.revision.Add(1)
}

func (s *Shelf) put(row *domain.Sticker) {
	s.remove(row.ID)
	c := &card{Sticker: row, tags: make(map[string]bool, len(row.Tags))}
	if row.Visibility == sticker.VisibilityPRIVATE && row.OwnerID != nil {
		c.owner = *row.OwnerID
	}
	fields := []lexicon.Field{{Text: domain.Spoken(row.Name), Weight: nameWeight}, {Text: row.Caption, Weight: captionWeight}}
	for _, tag := range row.Tags {
		c.tags[domain.FoldTag(tag)] = true
		fields = append(fields, lexicon.Field{Text: tag, Weight: tagWeight})
	}
	for _, f := range fields {
		for _, w := range lexicon.Words(f.Text) {
			if !slices.Contains(c.words, w) {
				c.words = append(c.words, w)
			}
		}
	}
	l := s.scopes[c.owner]
	if l == nil {
		l = lexicon.New()
		s.scopes[c.owner] = l
	}
	l.Put(row.ID, fields...)
	s.cards[row.ID] = c
}

func (s *Shelf) remove(id string) {
	c, ok := s.cards[id]
	if !ok {
		return
	}
	delete(s.cards, id)
	l := s.scopes[c.owner]
	if l.Delete(id); l.Len() == 0 && c.owner != "" {
		delete(s.scopes, c.owner)
	}
}

func (s *Shelf) get(id string) (*card, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c, ok := s.cards[id]
	return c, ok
}

// read calls f with what a viewer sees; f must not keep the lexicons.
func (s *Shelf) read(v viewer, f func(cards map[string]*card, words []*lexicon.Lexicon)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	words := []*lexicon.Lexicon{s.scopes[""]}
	if own := s.scopes[v.id]; own != nil && v.id != "" {
		words = append(words, own)
	}
	f(s.cards, words)
}

// Len is the number of stickers.
func (s *Shelf) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.cards)
}

// sample gives some public stickers, the same ones in every process.
func (s *Shelf) sample(n int) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	type numbered struct {
		id     string
		number uint64
	}
	var all []numbered
	for id, c := range s.cards {
		if c.owner == "" {
			h := fnv.New64a()
			_, _ = h.Write([]byte(id))
			all = append(all, numbered{id, h.Sum64()})
		}
	}
	slices.SortFunc(all, func(a, b numbered) int {
		if a.number < b.number {
			return -1
		}
		return 1
	})
	ids := make([]string, min(n, len(all)))
	for i := range ids {
		ids[i] = all[i].id
	}
	return ids
}
