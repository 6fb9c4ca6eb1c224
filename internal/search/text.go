package search

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"parley/internal/auth"
	"parley/internal/embedding"
	"parley/internal/indexing"
	"parley/internal/querytext"
	"parley/internal/search/lexicon"
)

// aimAtText takes the words of a query and the vector that the model of the active index
// gives it; without that it is for words alone. A query that the model does not understand
// is translated first, and has the vector of the translation too. All together takes no
// longer than one of them may.
func (s *Service) aimAtText(ctx context.Context, in StickersInput, v viewer, g *indexing.Generation) (*target, error) {
	text, err := normalized(*in.Query)
	if err != nil {
		return nil, err
	}
	t := &target{text: text, words: lexicon.Words(text)}
	if g == nil || !g.Texts {
		t.degraded = true
		return t, nil
	}
	limited, end := context.WithTimeout(ctx, s.Embed.Deadline)
	defer end()
	if err := s.understand(limited, t, g, in, v); err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("search: %w", ctx.Err())
		}
		t.degraded = true
	}
	vectorOf := func(text string) func() (embedding.Vector, error) {
		return func() (embedding.Vector, error) { return s.Embed.Text(limited, g.Digest, text) }
	}
	if t.translation == "" {
		return t, s.take(ctx, t, g, vectorOf(text), "query")
	}
	// The translation may be wrong, or the text no other language at all.
	typed := later(vectorOf(text))
	if err := s.take(ctx, t, g, vectorOf(t.translation), "query"); err != nil {
		return nil, err
	}
	return t, s.takeTyped(ctx, t, g, typed)
}

// takeTyped gives a target the vector of what was typed, besides that of its translation.
// Where the model refuses the text the translation is enough.
func (s *Service) takeTyped(ctx context.Context, t *target, g *indexing.Generation, typed func() (embedding.Vector, error)) error {
	v, err := typed()
	var refused *embedding.InputError
	if errors.As(err, &refused) {
		return nil
	}
	return s.take(ctx, t, g, func() (embedding.Vector, error) { return v, err }, "query")
}

// later asks at once and gives the answer when it is wanted.
func later(ask func() (embedding.Vector, error)) func() (embedding.Vector, error) {
	type answer struct {
		v   embedding.Vector
		err error
	}
	come := make(chan answer, 1)
	go func() {
		v, err := ask()
		come <- answer{v, err}
	}()
	return func() (embedding.Vector, error) {
		a := <-come
		return a.v, a.err
	}
}

// understand gives a target the translation of its text, where it needs one.
func (s *Service) understand(ctx context.Context, t *target, g *indexing.Generation, in StickersInput, v viewer) error {
	if s.Texts == nil {
		return nil
	}
	u, err := s.Texts.Understood(ctx, querytext.Asked{
		Text: *in.Query, Words: t.words, Known: s.known(t.words, in.Typing, v), Digest: g.Digest,
		Preferred: auth.VisitorOf(ctx).Languages, Language: in.Language,
	})
	if err != nil || !u.Translated {
		return err
	}
	t.translation, t.from = u.Text, u.From
	// The words of the query stay last: one of them may be under way.
	var added []string
	for _, w := range lexicon.Words(u.Text) {
		if !slices.Contains(t.words, w) && !slices.Contains(added, w) {
			added = append(added, w)
		}
	}
	t.words = append(added, t.words...)
	return nil
}

// meant are the words of which a sticker may have all: those of the translation, where there
// is one.
func (t *target) meant() []string {
	if t.translation != "" {
		return lexicon.Words(t.translation)
	}
	return t.words
}

// known tells which words some sticker has that the viewer sees. The last one of somebody
// who is typing may be the beginning of such a word.
func (s *Service) known(words []string, typing bool, v viewer) func(word string) bool {
	all := map[string]bool{}
	s.Shelf.read(v, func(_ map[string]*card, scopes []*lexicon.Lexicon) {
		for i, w := range words {
			for _, l := range scopes {
				all[w] = all[w] || l.Count(w) > 0 || typing && i == len(words)-1 && len(l.Beginning(w, 1)) > 0
			}
		}
	})
	return func(word string) bool { return all[word] }
}
