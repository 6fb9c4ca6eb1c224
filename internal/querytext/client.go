package querytext

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"parley/internal/cache"
	"parley/internal/embedding"
	"parley/internal/jobspec"
)

// Config describes a Client; every field is needed.
type Config struct {
	// Ask asks a query on a subject and gives the payload of its answer, until the
	// deadline of ctx. It fails with jobspec.ErrNoWorker, the error of ctx or a
	// *jobspec.Failure.
	Ask func(ctx context.Context, subject string, payload any) (json.RawMessage, error)
	// Bundles gives the bundles of the workers that are there.
	Bundles func(ctx context.Context) ([]jobspec.Bundle, error)
	// Cache keeps translations.
	Cache cache.Cache
	// Deadline is how long a call may take.
	Deadline time.Duration
}

// Client makes texts understood. It may be used by many goroutines at once, and needs no
// stop: what it asked ends with its deadline.
type Client struct {
	Config
	answers cache.Answers[string]
}

// New makes a Client.
func New(c Config) (*Client, error) {
	if c.Ask == nil || c.Bundles == nil || c.Cache == nil || c.Deadline <= 0 {
		return nil, errors.New("querytext: a part of the configuration is missing")
	}
	return &Client{Config: c, answers: cache.Answers[string]{
		Cache: c.Cache, Deadline: c.Deadline, KeepFor: keepFor, Late: ErrDeadline, Encode: func(text string) []byte { return []byte(text) },
	}}, nil
}

// Understood gives a text in words that the model of a digest understands. It stays as it is
// where its language is one of the model's or has no direct direction into one, where all
// of its words are known, where it has no letters, where it can't be read, and where the
// model does not say what it understands. A language that is given is believed.
//
// It takes no longer than the Client's deadline or that of ctx, whichever is earlier. It
// fails with ErrNoWorker, ErrDeadline, ErrOverloaded, ErrFailed, or the error of a ctx that
// was cancelled, and then gives the original too.
func (c *Client) Understood(ctx context.Context, a Asked) (Understood, error) {
	u := Understood{Text: a.Text}
	if !readable(a.Text) {
		return u, nil
	}
	known, of := a.known()
	if a.Language == nil && of > 0 && known == of {
		return u, nil
	}
	ctx, end := context.WithTimeout(ctx, c.Deadline)
	defer end()
	bundles, err := c.Bundles(ctx)
	if err != nil {
		return u, ended(ctx, err)
	}
	own := languagesOf(bundles, a.Digest)
	if len(own) == 0 {
		return u, nil
	}
	normal := normalize(a.Text)
	if utf8.RuneCountInString(normal) > jobspec.MaxQueryRunes {
		return u, nil
	}
	w, ok, err := wayOf(a, normal, waysInto(bundles, own), own, known, of)
	if !ok || err != nil {
		return u, err
	}
	u.From = w.source
	text, err := c.translation(ctx, w, normal)
	if err != nil {
		return u, err
	}
	// A word that is the same in both languages was understood before.
	if embedding.Normalize(text) == embedding.Normalize(a.Text) {
		return Understood{Text: a.Text}, nil
	}
	u.Text, u.Translated = text, true
	return u, nil
}

// wayOf finds the way on which a text is to be translated, false for none.
func wayOf(a Asked, normal string, ways []way, own []string, known, of int) (way, bool, error) {
	if a.Language == nil {
		w, ok := choose(normal, ways, own, a.Preferred, known, of)
		return w, ok, nil
	}
	tag := canonical(*a.Language)
	if tag == "" || speaks(own, tag) {
		return way{}, false, nil
	}
	w, ok := from(ways, tag)
	if !ok {
		return way{}, false, fmt.Errorf("%w from %s", ErrNoWorker, tag)
	}
	return w, true, nil
}

// translation gives the translation of a text, kept or made.
func (c *Client) translation(ctx context.Context, w way, normal string) (string, error) {
	key := keyOf(w, normal)
	if text, ok := c.answers.Kept(ctx, key, readKept); ok {
		return text, nil
	}
	text, err := c.answers.Ask(ctx, key, readKept, func(ctx context.Context) (string, error) { return c.ask(ctx, w, normal) })
	if err != nil && errors.Is(err, ctx.Err()) {
		return "", ended(ctx, err)
	}
	return text, err
}

// ask asks a worker.
func (c *Client) ask(ctx context.Context, w way, normal string) (string, error) {
	payload, err := c.Ask(ctx, jobspec.QuerySubject(jobspec.KindTranslate, w.model), jobspec.TranslateQuery{Text: normal, Source: w.source, Target: w.target})
	if err != nil {
		return "", ended(ctx, err)
	}
	var a jobspec.TranslateAnswer
	if err := json.Unmarshal(payload, &a); err != nil {
		return "", fmt.Errorf("%w: %w", ErrFailed, err)
	}
	text := strings.TrimSpace(a.Text)
	if a.Digest != w.model || text == "" || len(text) > jobspec.MaxQueryText {
		return "", fmt.Errorf("%w: %d bytes of the model %s came, 1 to %d of %s were expected", ErrFailed, len(text), a.Digest, jobspec.MaxQueryText, w.model)
	}
	return text, nil
}

// ended makes one of the room's errors of what a call ended with.
func ended(ctx context.Context, err error) error {
	var f *jobspec.Failure
	switch {
	case errors.Is(err, jobspec.ErrNoWorker):
		return ErrNoWorker
	case errors.As(err, &f) && f.Code == jobspec.CodeOverloaded:
		return ErrOverloaded
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded), ctx.Err() != nil:
		return ErrDeadline
	}
	slog.WarnContext(ctx, "a query could not be translated", "error", err)
	return fmt.Errorf("%w: %w", ErrFailed, err)
}
