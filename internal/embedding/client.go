package embedding

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"parley/internal/cache"
	"parley/internal/jobspec"
)

// Config describes a Client; every field but Observe is needed.
type Config struct {
	// Ask asks a query on a subject and gives the payload of its answer, until the
	// deadline of ctx. It fails with jobspec.ErrNoWorker, the error of ctx or a
	// *jobspec.Failure.
	Ask func(ctx context.Context, subject string, payload any) (json.RawMessage, error)
	// Bundles gives the bundles of the workers that are there.
	Bundles func(ctx context.Context) ([]jobspec.Bundle, error)
	// Cache keeps vectors of texts.
	Cache cache.Cache
	// Deadline is how long a call may take.
	Deadline time.Duration
	// Observe is told how each call ended, and how long it took; nil for nobody.
	Observe func(kind Kind, outcome Outcome, took time.Duration)
}

// Kind is what a call is about.
type Kind string

// The kinds.
const (
	KindText    Kind = "text"
	KindPicture Kind = "picture"
)

// Outcome is how a call ended.
type Outcome string

// The outcomes.
const (
	Cached     Outcome = "cached"
	Asked      Outcome = "asked"
	NoWorker   Outcome = "no worker"
	Late       Outcome = "late"
	Overloaded Outcome = "overloaded"
	Invalid    Outcome = "invalid"
	Failed     Outcome = "failed"
	// Left is a call whose caller went away.
	Left Outcome = "left"
)

// Client asks the workers for vectors. It may be used by many goroutines at once, and needs
// no stop: what it asked ends with its deadline.
type Client struct {
	Config
	answers cache.Answers[Vector]
}

// New makes a Client.
func New(c Config) (*Client, error) {
	if c.Ask == nil || c.Bundles == nil || c.Cache == nil || c.Deadline <= 0 {
		return nil, errors.New("embedding: a part of the configuration is missing")
	}
	if c.Observe == nil {
		c.Observe = func(Kind, Outcome, time.Duration) {}
	}
	return &Client{Config: c, answers: cache.Answers[Vector]{
		Cache: c.Cache, Deadline: c.Deadline, KeepFor: keepFor, Late: ErrDeadline, Encode: func(v Vector) []byte { return jobspec.NewVector(v.Values) },
	}}, nil
}

// Models gives the models that embed and that a worker there has, in an order that
// follows from them alone: those that read texts and pictures first, then by name.
func (c *Client) Models(ctx context.Context) ([]Model, error) {
	bundles, err := c.Bundles(ctx)
	if err != nil {
		return nil, err
	}
	var all []Model
	for _, b := range bundles {
		if b.Kind == jobspec.KindEmbed && b.Space != nil {
			all = append(all, Model{b.Name, *b.Space})
		}
	}
	slices.SortFunc(all, func(a, b Model) int {
		return cmp.Or(cmp.Compare(b.senses(), a.senses()), strings.Compare(a.Name, b.Name), strings.Compare(a.Digest, b.Digest))
	})
	return slices.Compact(all), nil
}

// senses counts what the model reads.
func (m Model) senses() (n int) {
	if m.Texts {
		n++
	}
	if m.Pictures {
		n++
	}
	return n
}

// find gives the first model that is meant: by its digest, by its name, or by "" any.
func (c *Client) find(ctx context.Context, wanted string, reads func(Model) bool) (Model, error) {
	all, err := c.Models(ctx)
	if err != nil {
		return Model{}, ended(ctx, err)
	}
	for _, m := range all {
		if reads(m) && (wanted == "" || wanted == m.Digest || wanted == m.Name) {
			return m, nil
		}
	}
	return Model{}, ErrNoWorker
}

// Text gives the vector of a text, in the form that Normalize gives. The model is that of
// a name or of exactly one digest, "" the first of Models. It takes no longer than the
// Client's deadline or that of ctx, whichever is earlier. It fails with ErrNoWorker,
// ErrDeadline, ErrOverloaded, ErrFailed, an *InputError, or the error of a ctx that was
// cancelled.
func (c *Client) Text(ctx context.Context, model, text string) (v Vector, err error) {
	begun, outcome := time.Now(), Asked
	defer func() { c.Observe(KindText, outcomeOf(outcome, err), time.Since(begun)) }()
	ctx, end := context.WithTimeout(ctx, c.Deadline)
	defer end()
	normal, err := normalized(text)
	if err != nil {
		return Vector{}, err
	}
	m, err := c.find(ctx, model, func(m Model) bool { return m.Texts })
	if err != nil {
		return Vector{}, err
	}
	key := keyOf(m.Digest, normal)
	read := m.readKept
	if v, ok := c.answers.Kept(ctx, key, read); ok {
		outcome = Cached
		return v, nil
	}
	v, err = c.answers.Ask(ctx, key, read, func(ctx context.Context) (Vector, error) { return c.ask(ctx, m, jobspec.EmbedQuery{Text: normal}) })
	if err != nil && errors.Is(err, ctx.Err()) {
		return Vector{}, ended(ctx, err)
	}
	return v, err
}

// normalized gives the form of a text that is embedded, or says why there is none.
func normalized(text string) (string, error) {
	if !utf8.ValidString(text) {
		return "", &InputError{"The text is not valid UTF-8."}
	}
	// Beyond this no form of it is short enough to be worth making.
	if len(text) > 4*jobspec.MaxQueryText {
		return "", tooLong(len(text))
	}
	normal := Normalize(text)
	switch {
	case normal == "":
		return "", &InputError{"There is nothing in the text."}
	case len(normal) > jobspec.MaxQueryText:
		return "", tooLong(len(normal))
	}
	return normal, nil
}

func tooLong(bytes int) error {
	return &InputError{fmt.Sprintf("The text has %d bytes; at most %d can be searched for.", bytes, jobspec.MaxQueryText)}
}

// Picture gives the vector of a picture's file, a PNG, JPEG, WebP, GIF or BMP. It is not
// kept. Model, time and errors are as those of Text, of a model that reads pictures.
func (c *Client) Picture(ctx context.Context, model string, file []byte) (v Vector, err error) {
	begun := time.Now()
	defer func() { c.Observe(KindPicture, outcomeOf(Asked, err), time.Since(begun)) }()
	ctx, end := context.WithTimeout(ctx, c.Deadline)
	defer end()
	switch {
	case len(file) == 0:
		return Vector{}, &InputError{"The picture is empty."}
	case len(file) > MaxPicture:
		return Vector{}, &InputError{fmt.Sprintf("The picture has %d bytes; at most %d can be searched for.", len(file), MaxPicture)}
	}
	m, err := c.find(ctx, model, func(m Model) bool { return m.Pictures })
	if err != nil {
		return Vector{}, err
	}
	return c.ask(ctx, m, jobspec.EmbedQuery{Picture: file})
}

// MaxPicture is the largest file of a picture in bytes, so that it fits into a message.
const MaxPicture = 576 << 10

// ask asks a worker.
func (c *Client) ask(ctx context.Context, m Model, q jobspec.EmbedQuery) (Vector, error) {
	payload, err := c.Ask(ctx, jobspec.QuerySubject(jobspec.KindEmbed, m.Digest), q)
	if err != nil {
		return Vector{}, ended(ctx, err)
	}
	var a jobspec.EmbedAnswer
	if err := json.Unmarshal(payload, &a); err != nil {
		return Vector{}, fmt.Errorf("%w: %w", ErrFailed, err)
	}
	values, err := a.Vector.Values()
	if err != nil || a.Digest != m.Digest || len(values) != m.Dimensions {
		return Vector{}, fmt.Errorf("%w: %d numbers of the model %s came, %d of %s were expected", ErrFailed, len(values), a.Digest, m.Dimensions, m.Digest)
	}
	return Vector{Model: a.Model, Digest: a.Digest, Values: values}, nil
}

// ended makes one of the room's errors of what a call ended with.
func ended(ctx context.Context, err error) error {
	var f *jobspec.Failure
	switch {
	case errors.Is(err, jobspec.ErrNoWorker):
		return ErrNoWorker
	case errors.As(err, &f) && f.Code == jobspec.CodeOverloaded:
		return ErrOverloaded
	case errors.As(err, &f) && f.Code == jobspec.CodeInvalidInput:
		return &InputError{f.Message}
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded), ctx.Err() != nil:
		return ErrDeadline
	}
	slog.WarnContext(ctx, "a vector could not be made", "error", err)
	return fmt.Errorf("%w: %w", ErrFailed, err)
}

// outcomeOf tells how a call ended that would have been done well.
func outcomeOf(well Outcome, err error) Outcome {
	var input *InputError
	switch {
	case err == nil:
		return well
	case errors.As(err, &input):
		return Invalid
	case errors.Is(err, ErrNoWorker):
		return NoWorker
	case errors.Is(err, ErrOverloaded):
		return Overloaded
	case errors.Is(err, ErrFailed):
		return Failed
	case errors.Is(err, context.Canceled):
		return Left
	}
	return Late
}
